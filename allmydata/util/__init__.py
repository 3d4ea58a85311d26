"""Small tools, none of which knows what a share is."""
