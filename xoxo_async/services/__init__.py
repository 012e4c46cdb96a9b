"""What you can ask for: one module or package a domain, with its structs, its operations and its service."""
