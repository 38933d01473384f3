"""Makes OpenClaw's next model from Airflow, 2 or 3, in place of the schedule of its own.

Set `training: { enabled: false }` in OpenClaw's settings, so that only one of
both does it; `training.days` and `training.quantile` hold here too. Each task
is one command of `openclaw`; all run on one machine, which needs the program,
the settings file and the data folder.

Airflow variables, all optional:
  openclaw_bin       the program (default `openclaw`)
  openclaw_config    the settings file (default `/etc/openclaw/openclaw.yaml`)
  openclaw_work      folder for what is under way, and for reports (default
                     `/var/tmp/openclaw-retrain`)
  openclaw_schedule  cron pattern (default `0 3 * * *`)
  openclaw_commit    `true` where `rollout.gitops` says which model runs: names each in Git
  openclaw_retry_s   seconds before a second try (default 300)
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


FOLDER = "{{ var.value.get('openclaw_work', '/var/tmp/openclaw-retrain') }}"
# A folder for each run, so that runs don't meet.
RUN = "{{ run_id | replace(':', '-') | replace('+', '-') }}"
ENVIRONMENT = {
    "OPENCLAW": "{{ var.value.get('openclaw_bin', 'openclaw') }}",
    "CONFIG": "{{ var.value.get('openclaw_config', '/etc/openclaw/openclaw.yaml') }}",
    "COMMIT": "{{ var.value.get('openclaw_commit', 'false') | lower }}",
    "WORK": f"{FOLDER}/run-{RUN}",
    "REPORTS": f"{FOLDER}/reports",
    "REPORT": f"{FOLDER}/reports/{RUN}",
}

with DAG(
    dag_id="openclaw_retrain",
    description="extract, train, validate, push: the rollout is OpenClaw's own",
    schedule=variable("openclaw_schedule", "0 3 * * *"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=int(variable("openclaw_retry_s", "300")))},
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
        '"$OPENCLAW" model extract --config "$CONFIG" --output "$WORK/rows.parquet"',
    )
    train = task(
        "train",
        # A second try would leave two models, of which only one is pushed.
        'rm -rf "$WORK/model"\n'
        '"$OPENCLAW" model train --config "$CONFIG" --min-rows 5000 --output "$WORK/model"',
    )
    # A model that doesn't pass will not pass a second time.
    validate = task(
        "validate",
        '"$OPENCLAW" model validate --config "$CONFIG" --report "$REPORT" "$WORK/model"',
        retries=0,
    )
    # The same model once more is the same model: a second try changes nothing.
    push = task(
        "push",
        'pushed=$("$OPENCLAW" model push --config "$CONFIG" "$WORK"/model/model-*.safetensors)\n'
        'echo "$pushed"\n'
        'if [ "$COMMIT" = true ]; then "$OPENCLAW" model commit --config "$CONFIG" "${pushed%% *}"; fi',
    )
    # Also after a failure, which stays the run's result. Reports stay for 90 days.
    clean = task(
        "clean",
        'rm -rf "$WORK"\n'
        '[ ! -d "$REPORTS" ] || find "$REPORTS" -mindepth 1 -maxdepth 1 -mtime +90 -exec rm -rf {} +',
    )

    extract >> train >> validate >> push >> clean.as_teardown()
