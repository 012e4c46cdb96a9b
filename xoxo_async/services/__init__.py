"""What you can ask for: one module a domain, each with its structs, its operations and its service."""
