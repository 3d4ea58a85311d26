"""The keeper: renews, checks and repairs files, given nothing but verify capabilities."""
