"""WHERE PACKS RUN: each executor is one verb, map(work, packs) -> outcomes; only plain data crosses it."""
