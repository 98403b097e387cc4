"""The dashboard's process: ``gunicorn -c gunicorn.conf.py app:app``, and ``flask db upgrade`` with FLASK_APP=app.py."""

from kovra import config, wiring

app = wiring.build_web(config.from_environment())
