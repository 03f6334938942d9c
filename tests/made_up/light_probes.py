"""Every probe with small settings, one line of a study each: for tests that are about something else."""

LIGHT = (
    "gradient_norms: {masks: 2}",
    "variance_shift: {}",
    "gradient_noise: {batches: 2, masks: 2}",
    "gap_parts: {}",
    "activations: {}",
    "weights: {images: 1}",
    "co_adaptation: {draws: 1, shares: [0.5]}",
    "memorisation: {examples: 10}",
    "mc_dropout: {passes: 3, rotate: 0}",
    "calibration: {draws: 20}",
)
