"""Pictures: read from files, made of whatever a user has, and checked."""
