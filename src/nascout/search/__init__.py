"""Strategies: folds over history that propose what to evaluate next."""
