"""python client_qt.py PORT CA: Qt's network access manager; prints the errors of TLS and of the answer."""

import os
import sys

os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PySide6.QtCore import QCoreApplication, QTimer, QUrl
from PySide6.QtNetwork import QNetworkAccessManager, QNetworkReply, QNetworkRequest, QSslCertificate, QSslConfiguration

port, ca = sys.argv[1:3]
app = QCoreApplication([])
configuration = QSslConfiguration.defaultConfiguration()
configuration.setCaCertificates(QSslCertificate.fromPath(ca))
request = QNetworkRequest(QUrl(f"https://localhost:{port}/"))
request.setSslConfiguration(configuration)
manager = QNetworkAccessManager()
manager.sslErrors.connect(lambda _reply, errors: print(*(error.errorString() for error in errors), sep="\n"))
answer = manager.get(request)
answer.finished.connect(app.quit)
QTimer.singleShot(9000, app.quit)
app.exec()
if answer.error() != QNetworkReply.NetworkError.NoError:
    sys.exit(f"{answer.error()}: {answer.errorString()}")
