"""The service `downloader` of twistd: a door on the list run for machines that stay up."""
