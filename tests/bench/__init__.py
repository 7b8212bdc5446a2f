"""Speed and size, measured side by side; `make bench` prints the table."""
