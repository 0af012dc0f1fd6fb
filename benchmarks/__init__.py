"""Budgets of PRODUCT section 13, each as a ratio measured in one run."""
