"""What a database contains: models of its objects, kept inside its file, and the views that show them."""
