"""What is known of programs: which decorate, prepare or edit, what they run, which of their options take a value."""

from __future__ import annotations

# Programs that only decorate a line or prepare the shell.
DECORATION = frozenset(
    "echo printf yes true false : cd pushd popd export set unset date sleep source . declare local readonly typeset alias shopt"
    " ulimit umask trap wait clear tput stty read exit return pwd test [ [[ type which command hash let history"
    " for case select function esac activate.ps1".split()
)
# Preparation, unless the line does nothing else.
HOUSEKEEPING = frozenset(
    "mkdir rm rmdir touch kill pkill killall chmod chown ln nvm fnm volta pyenv corepack truncate tee del rd"
    " tee-object new-item remove-item stop-process".split()
)
# Programs that may do several tasks at once, of which `clean` only comes first.
BUILDERS = frozenset("mvn gradle make xcodebuild ninja lein ant rebar3 msbuild sbt".split())
# Preparation too, as is `clean` of any program.
PREPARING = frozenset(("apt update", "brew update", "npm cache", "conda activate", "mamba activate"))
# Files that a program reads if no other is named.
DEFAULTS = frozenset(
    "Dockerfile Makefile CMakeLists.txt docker-compose.yml docker-compose.yaml compose.yml compose.yaml tsconfig.json package.json"
    " Cargo.toml pyproject.toml pom.xml build.gradle values.yaml".split()
)
# Programs that print files: their output says nothing about how a run ended.
SHOWS = frozenset(
    "cat head tail less more grep egrep fgrep rg ag sed awk gawk jq yq nl bat diff cmp zcat zgrep tac strings xxd"
    " journalctl get-content gc select-string sls type".split()
)
# Programs that fail whenever they name a place in a file.
LINTERS = frozenset(
    "flake8 pycodestyle pydocstyle pylint actionlint ktlint markdownlint protoc buf ghdl".split()
)
# Interpreters: their script counts as the program.
INTERPRETERS = frozenset(
    "python node ruby perl php lua Rscript deno ts-node tsx bash sh zsh dash ksh fish pwsh powershell osascript julia"
    " elixir swift groovy".split()
)
CODE = {  # interpreter -> (options whose value is code, other options that take a value)
    "python": ("-c", "-W -X -Q"),
    "node": ("-e -p --eval --print", "-r --require --import --loader -C"),
    "ruby": ("-e", "-r -I"),
    "perl": ("-e -E -ne -pe -lne -nle", "-M -I"),
    "php": ("-r", "-d"),
    "deno": ("eval", ""),
    **dict.fromkeys(("osascript", "elixir", "Rscript"), ("-e", "")),
    "julia": ("-e -E", "-t -p -J"),
    **dict.fromkeys(("pwsh", "powershell"), ("", "-ExecutionPolicy")),
}
# Database clients, with the options whose value is the query.
CLIENTS = {
    "psql": "-c --command",
    "mysql": "-e --execute",
    "mongosh": "--eval",
    "sqlcmd": "-Q -q",
    "clickhouse-client": "-q --query",
    **dict.fromkeys(("sqlite3", "redis-cli", "duckdb"), ""),
}
ALIASES = {
    "py.test": "pytest",
    "nodejs": "node",
    "pip3": "pip",
    "gmake": "make",
    "gradlew": "gradle",
    "mvnw": "mvn",
    "yarnpkg": "yarn",
    "py": "python",
    "apt-get": "apt",
    "gtest": "ctest",
    "bazelisk": "bazel",
    "platformio": "pio",
    "k": "kubectl",
}
# Programs of a project that its package manager runs by their bare name: `yarn jest`.
BINARIES = frozenset(
    "jest vitest tsc eslint mocha playwright cypress vite next webpack prettier ts-node tsx ava prisma nx turbo astro nuxt expo ng"
    " biome knex hardhat wrangler".split()
)
# Programs that take packages in a version as `numpy=1.26`, which is no variable there.
INSTALLERS = frozenset("conda mamba micromamba apt apk dnf yum zypper".split())
PACKAGE_RUNNERS = ("npm", "pnpm", "yarn", "bun")
# Options whose value selects tests.
AIMED = frozenset(
    "-k -m --testNamePattern --test-name-pattern -run --run --grep --tests --test --gtest_filter -Dtest -Dit.test"
    " --only --spec --example --match -test.run --select --deselect --name --testPathPattern".split()
)
AIMED_IN = {
    **dict.fromkeys((*PACKAGE_RUNNERS, "jest", "vitest", "ava"), "-t"),
    "mocha": "-g -f",
    "playwright": "-g",
    "ctest": "-R",
    "rspec": "-e",
    **dict.fromkeys(("dotnet", "phpunit"), "--filter"),
    "tox": "-e",
}
# Options whose value is part of the attempt (a package, a directory, a file): kept as operands.
KEPT = frozenset(
    "-C --prefix -w --workspace --filter --scope --package --project -pl --projects --manifest-path --cwd --dir --chdir"
    " -f --file --target --build".split()
)
# Programs whose -f names a format.
FORMATTED = frozenset("eslint stylelint rspec cucumber behave rubocop oxlint".split())
KEPT_IN = {"cargo": "-p --bin --example", "tsc": "-p", "mypy": "-p -m", "git": "-C", "pio": "-t"}
# Other options that take a value, which is not part of the attempt: short ones, and long ones whose value may look like an operand.
VALUED = frozenset(
    "-c -n -o -t -g -R -W -p -r -s -u -v -e -i -l -d -a -b -x -am --rootdir --reporter --ext --format --output --config --message"
    " --title --body --author --date --mode --host --user --password"
    " -sdk -arch -derivedDataPath -resultBundlePath".split()
)
# Long options that never take a value, besides `--no-...`.
FLAGS = frozenset(
    "--verbose --force --quiet --silent --debug --yes --global --save-dev --legacy-peer-deps --recursive --offline"
    " --break-system-packages --all --ci --upgrade --force-reinstall --pre --force-with-lease --set-upstream --tags --prune --rebase"
    " --install --atomic --wait --dry-run --create-namespace --server-side --detach --rm --remove-orphans --pull --privileged --release"
    " --locked --frozen --frozen-lockfile --immutable --exact --production --prod --dev --latest --runInBand --bail --headless --headed"
    " --stacktrace --rerun-tasks --continue --fix --auto-approve --trace --strict --all-files --watch --amend --cached --delete".split()
)
# Other names of subcommands.
SHORT = {
    **dict.fromkeys(PACKAGE_RUNNERS, {"t": "test", "tst": "test", "i": "install", "add": "install"}),
    "cargo": {"b": "build", "t": "test", "c": "check", "r": "run"},
    **dict.fromkeys(("docker", "podman"), {"buildx": ""}),
    "vitest": {"run": ""},
}
FLAGS_ONLY = {  # short options that take no value in these programs, although VALUED has them
    "pytest": "-v -x -s -l -q -i",
    "make": "-s -i -d -e -r -n -b -k",
    "npm": "-s -d -i -g -D -r",
    "pip": "--user -e -v -q -U -r",
    "mvn": "-o -e -X -q -B -U -N",
    "gradle": "-i -s -d -q -a",
    "cargo": "-v -q -r",
    "go": "-v -x -a -n -i",
    "node": "-i",
    "git": "-v -n -d -a -i -p -s -u -l -x",
    "jest": "-i -u -o -b -e -v -w",
    "vitest": "-u --run",
    "mocha": "-b",
    "rspec": "-b -d -p",
    "tsc": "-b -v -d -w -i",
    "ruff": "-n -v -s -e",
    "eslint": "-v",
    "docker": "-d -i -a -q",
    "docker-compose": "-d -q",
    "helm": "-i",
    "phpunit": "-v",
    "unittest": "-v -b",
    "ctest": "-V -N",
    "bash": "-x -e -u -v -l -i -n",
    "latexmk": "-f -g -C",
}
# Words that are tasks of a build tool, never an option's value.
TASKS = frozenset(
    "test tests build install lint check start run compile dev deploy package verify clean all assemble typecheck format"
    " fmt serve watch e2e unit integration migrate push pull publish release up down plan apply validate ci audit".split()
)
