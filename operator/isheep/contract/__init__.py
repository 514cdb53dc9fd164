"""The definitions that all parts share: orders, results, store locations, reasons, exit codes."""
