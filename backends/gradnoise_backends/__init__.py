"""What differs between array libraries, one file each; found by name, imported when needed."""
