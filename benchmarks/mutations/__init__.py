"""Mutations: whether the fast tests notice single edits of the package."""
