from twisted.application.service import ServiceMaker

serviceMaker = ServiceMaker(
    "downloader",
    "downloader.service.tap",
    "Fetch a list of URLs, every request cancellable.",
    "downloader",
)
