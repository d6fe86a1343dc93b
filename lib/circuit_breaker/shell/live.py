"""Programs that show things which change by themselves (live): CI, pods, jobs, processes, services, URLs, logs. Pure.

Files, folders and repositories are not live: they change only when you change them.
"""

from __future__ import annotations

from circuit_breaker.shell.shell_line import is_in, operands

# Each table is one string for `is_in`: sets would be built at every start for one or two lookups.
# With any arguments these only show processes, the network, a queue or a log.
ALWAYS = (
    " ps pgrep pidof pstree top htop jobs lsof fuser netstat ss ping ping6 dig drill nslookup host whois nmap traceroute mtr uptime"
    " tcpdump stern mosquitto_sub idevicesyslog"
    " free vmstat iostat mpstat pidstat w who last dmesg journalctl lsusb lspci lsblk sensors nvidia-smi rocm-smi gpustat squeue sacct"
    " sstat sinfo qstat condor_q bjobs bhist tasklist pg_isready getprop dumpsys logcat"
    " Get-Service gsv Get-Process gps Get-Job gjb Receive-Job rcjb Test-NetConnection tnc Test-Connection Get-EventLog"
    " Get-WinEvent Get-NetTCPConnection Get-Counter Resolve-DnsName Invoke-WebRequest iwr Invoke-RestMethod irm"
    " Get-ScheduledTask Get-ScheduledTaskInfo "
)
_METHODS = frozenset(("POST", "PUT", "PATCH", "DELETE"))
# Programs that talk to a service; their arguments decide whether they only look.
SERVICES = (
    " gh glab hub kubectl oc k9s docker podman nerdctl docker-compose systemctl service supervisorctl pm2 launchctl sc helm"
    " argocd argo flux heroku fly flyctl vercel netlify railway render eb aws az gcloud gsutil doctl hcloud linode-cli"
    " circleci buildkite-agent bk travis drone jenkins jenkins-cli tkn nomad consul rabbitmqctl celery airflow dagster prefect"
    " temporal databricks modal sky ray wandb mlflow vastai runpodctl kaggle scontrol tmux adb xcrun supabase firebase wrangler"
    " eas eas-cli pulumi ansible minikube kind multipass vagrant virsh lxc incus crictl tailscale nmcli pueue tsp vault etcdctl bq oci"
    " ibmcloud eksctl rclone skopeo crane rabbitmqadmin nats influx neonctl turso sentry-cli serverless sls sam cdk istioctl velero"
    " prisma zpool mdadm hf replicate ollama "
)
# Their words that look, and those that change something. The first word from either table decides.
LOOKING = (
    " status get list ls ps logs log describe show view inspect top du stat cat stats checks health healthcheck info events"
    " is-active is-failed is-enabled search diff explain api-resources current-context watch wait tail queue history print query capture-pane has-session list-sessions"
    " devices logcat port whoami version versions state poll follow show-ref can-i cluster-info images read size digest jlist listen"
    " members output domstate bootstatus await_startup "
)
CHANGING = (
    " create apply delete del rm remove start stop restart reload scale set edit merge close cancel rerun retry deploy push"
    " kill exec add update put install uninstall upgrade rollback approve comment upload send up down build pull publish"
    " login logout init destroy import export cp mv sync enable disable attach patch replace annotate label promote undo"
    " pause resume trigger dispatch submit ready reopen lock unlock checkout clone fork new-session send-keys"
    " kill-session shell reboot pair tag commit copy move write "
)
_NOUNS = " build deploy import export label "  # before a word that looks: `az pipelines build show`
_RUNS = ("docker", "podman", "nerdctl", "kubectl", "oc", "docker-compose", "heroku", "fly", "flyctl", "modal")
_PREFIXES = ("describe-", "get-", "list-", "list_", "is-", "batch-get-", "list:", "head-", "receive-")
ENDS = (":list", ":info", ":view", ":status", ":wait")
ASKING = "--list -ls --describe --detail --status --notarization-info --notarization-history".split()
# Programs whose `status` is about files, and task runners, which may do anything.
OF_FILES = (
    " git hg svn jj fossil bzr cvs p4 npm pnpm yarn bun npx make just task rake mise poetry pip pip3 cargo go mvn gradle"
    " terraform tofu chezmoi dvc git-lfs lerna nx turbo sh bash zsh dash python python3 node ruby perl php "
)
# Subcommands of these that ask a server and change nothing here.
_REMOTES = ("git fetch", "git ls-remote", "npm view", "npm info", "pnpm view", "pnpm info", "yarn info")
_INTERPRETERS = " python node bash sh ruby perl pwsh deno bun "
_SCRIPTS = (".sh", ".py", ".js", ".mjs", ".ts", ".rb", ".pl", ".ps1")
_TELLING = " status poll health healthcheck progress monitor ready readiness liveness "
DATABASES = (
    " psql mysql mariadb sqlite3 duckdb redis-cli mongosh clickhouse-client cqlsh snowsql sqlcmd usql trino "
)
_REDIS_VALUED = frozenset(("-h", "-p", "-a", "-n", "-u", "--user", "--pass"))
_MONGO_WRITES = "insert update delete drop create remove save rename replace bulkwrite initiate reconfig add( set( $out $merge".split()
_ADMIN_READS = frozenset("ping status extended-status processlist version".split())
_QUERIES = tuple(r"select |show |explain |describe |desc |pragma |values|\d|\l|.tables|.schema".split("|"))
_KEYS_READ = (
    " get mget llen lrange lindex keys scan info ping ttl pttl exists type hget hgetall hlen hkeys smembers scard zcard zrange"
    " zscore xlen xrange dbsize strlen time subscribe psubscribe monitor "
)
_LOG_ENDS = (".log", ".out", ".err", ".output", ".trace")
_LOG_FOLDERS = ("/log/", "/logs/", "/var/log", "/dev/tty", "/proc/", "/sys/class/", "/tasks/")
_FILTERS = (
    " cat head tail less more grep egrep fgrep rg wc awk gawk sed nl tac Get-Content gc Select-String sls "
)


def is_live(name: str, rest: list[str]) -> bool:
    """Whether program `name` with the arguments `rest` shows something live. (reading.py says whether curl and wget only fetch.)"""
    if is_in(name, ALWAYS) or name in ("curl", "wget"):
        return True
    if is_in(name, SERVICES):
        return asks_service(name, rest)
    if name in ("http", "https", "xh"):
        sends = any("=" in word and "==" not in word for word in rest[1:])
        return not sends and _METHODS.isdisjoint(map(str.upper, rest))
    if name in ("nc", "ncat"):
        return any(word[:1] == "-" and "z" in word for word in rest)
    if is_in(name, DATABASES):
        return _queries(name, rest)
    if name == "mysqladmin":
        return not _ADMIN_READS.isdisjoint(rest)
    if is_in(name, _FILTERS):
        return any(is_log(word) for word in rest)
    if " ".join([name, *rest[:1]]) in _REMOTES or tells(script_of(name, rest)):
        return True
    return rest[:1] == ["status"] and len(rest) <= 3 and not is_in(name, OF_FILES)


def script_of(name: str, rest: list[str]) -> str:
    """The name of the script that is run, by itself or by an interpreter, without its folder and ending; "" for none."""
    path = rest[0] if rest and is_in(name.rstrip("0123456789."), _INTERPRETERS) else name
    base = path.rpartition("/")[2].lower()
    return base.rpartition(".")[0] if base.endswith(_SCRIPTS) else ""


def tells(name: str) -> bool:
    """Whether a script's or task's name has a word that says that it looks: `deploy-status`, `db:status`."""
    return any(is_in(word, _TELLING) for word in name.replace("-", "_").replace(":", "_").split("_"))


def asks_service(name: str, rest: list[str]) -> bool:
    """Whether these arguments of such a program only query: `gh run view 7`, `aws ecs describe-tasks`."""
    for word, after in zip(rest, [*rest[1:], ""]):
        if word in ASKING:
            return True
        if word[:1] == "-" or (is_in(word, _NOUNS) and is_in(after, LOOKING)):
            continue
        if is_in(word, CHANGING) or (word == "run" and name in _RUNS):
            return False
        if is_in(word, LOOKING) or word.startswith(_PREFIXES) or word.endswith(ENDS):
            return True
    return False


def _queries(name: str, rest: list[str]) -> bool:
    if name == "redis-cli":
        words = operands(rest, _REDIS_VALUED)
        return bool(words) and is_in(words[0].lower(), _KEYS_READ)
    if name == "mongosh":
        code = " ".join(rest).lower()
        return "--eval" in rest and not any(sign in code for sign in _MONGO_WRITES)
    queries = [word.strip().lower() for word in rest]
    queries = [word for word in queries if " " in word or word.startswith(("\\", ".tables", ".schema"))]
    return bool(queries) and all(
        query.startswith(_QUERIES) and ";" not in query.rstrip("; \n") and " into " not in query
        for query in queries
    )


def is_log(path: str) -> bool:
    """Whether a file grows or changes by itself: a log, the output of a running command, /proc."""
    path = path.replace("\\", "/").lower()
    return path.endswith(_LOG_ENDS) or any(folder in path for folder in _LOG_FOLDERS)
