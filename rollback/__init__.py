"""The ways back: where a step is, its way back is, under the same folder and file name."""
