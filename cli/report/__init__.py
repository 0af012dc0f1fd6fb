"""The auditor's report: one HTML file that shows the history and checks itself (PRODUCT section 9)."""
