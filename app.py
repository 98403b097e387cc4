"""The dashboard's process: ``gunicorn -c gunicorn.conf.py app:app``, and ``flask db upgrade`` with FLASK_APP=app.py."""

import sys

from kovra import config, logs, wiring

logs.configure()
try:
    app = wiring.build_web(config.from_environment(config.Process.WEB))
except config.ConfigError as error:
    sys.exit(str(error))
