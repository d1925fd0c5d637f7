"""The steps: a folder for each phase, a file for each step. Found by walking; there is no list to edit."""
