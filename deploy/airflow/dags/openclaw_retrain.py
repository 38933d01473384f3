"""Makes OpenClaw's next model from Airflow, 2 or 3, in place of the schedule of its own.

Set `training: { enabled: false }` in OpenClaw's settings, so that only one of
both does it. Each task is one command of `openclaw`; the machine that runs it
needs the program, the settings file and the data folder.

Airflow variables, all optional:
  openclaw_bin       the program (default `openclaw`)
  openclaw_config    the settings file (default `/etc/openclaw/openclaw.yaml`)
  openclaw_work      folder for what is under way (default `/var/tmp/openclaw-retrain`)
  openclaw_days      days of telemetry (default 30)
  openclaw_schedule  cron pattern (default `0 3 * * *`)
  openclaw_commit    `true` where `rollout.gitops` says which model runs: names each in Git
"""

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, Variable
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.models import Variable

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2 without the provider
    from airflow.operators.bash import BashOperator


def variable(name, default):
    """Airflow 3 names the default otherwise than Airflow 2."""
    try:
        return Variable.get(name, default=default)
    except TypeError:
        return Variable.get(name, default_var=default)


ENVIRONMENT = {
    "OPENCLAW": variable("openclaw_bin", "openclaw"),
    "CONFIG": variable("openclaw_config", "/etc/openclaw/openclaw.yaml"),
    "COMMIT": str(variable("openclaw_commit", "false")).lower(),
    "DAYS": str(variable("openclaw_days", "30")),
    # A folder for each run, so that runs don't meet.
    "WORK": variable("openclaw_work", "/var/tmp/openclaw-retrain") + "/{{ run_id | replace(':', '-') | replace('+', '-') }}",
}

with DAG(
    dag_id="openclaw_retrain",
    description="extract, train, validate, push: the rollout is OpenClaw's own",
    schedule=variable("openclaw_schedule", "0 3 * * *"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    tags=["openclaw"],
) as dag:

    def task(task_id, command, **options):
        return BashOperator(
            task_id=task_id,
            bash_command="set -euo pipefail\n" + command,
            env=ENVIRONMENT,
            append_env=True,
            **options,
        )

    extract = task(
        "extract",
        'mkdir -p "$WORK"\n'
        # The rows that are learned from, to look at; training reads them from telemetry itself.
        '"$OPENCLAW" model extract --config "$CONFIG" --days "$DAYS" --output "$WORK/rows.parquet"',
    )
    train = task(
        "train",
        # A second try would leave two models, of which only one is pushed.
        'rm -rf "$WORK/model"\n'
        '"$OPENCLAW" model train --config "$CONFIG" --days "$DAYS" --output "$WORK/model"',
    )
    # A model that doesn't pass will not pass a second time.
    validate = task(
        "validate",
        '"$OPENCLAW" model validate --config "$CONFIG" --report "$WORK/report" "$WORK/model"',
        retries=0,
    )
    push = task(
        "push",
        'pushed=$("$OPENCLAW" model push --config "$CONFIG" "$WORK"/model/model-*.safetensors)\n'
        'echo "$pushed"\n'
        'if [ "$COMMIT" = true ]; then "$OPENCLAW" model commit --config "$CONFIG" "${pushed%% *}"; fi\n'
        'rm -rf "$WORK"',
    )

    extract >> train >> validate >> push
