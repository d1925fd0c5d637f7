"""The parts of the mailer's web application."""
