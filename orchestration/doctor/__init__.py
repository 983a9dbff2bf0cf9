"""`equipoise doctor`: what it looks at, a module for each part of an installation."""
