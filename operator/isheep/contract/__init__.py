"""What all parts of the system share: orders, results, store locations, reasons, exit codes."""
