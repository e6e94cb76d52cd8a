#!/bin/sh
# Deploys a version with rsync and a unit of systemd for each version, app@VERSION.
# usage: systemd.sh HOST ADDRESS NEW OLD PORT    (example: systemd.sh web-1 10.0.4.23 v2.4.0 v2.3.1 9024)
set -eu
host=$1 address=$2 new=$3 old=$4 port=$5
plan=${PLAN:-$(dirname "$0")/plan.json}

# The new version starts beside the old one, on a port of its own.
rsync -a build/ "$host:/srv/app/$new/"
ssh "$host" "echo PORT=$port > /srv/app/$new/env && systemctl start app@$new"
canary register app "$new" "http://$address:$port" --if-absent
canary wait healthy app "$new" --timeout 2m
canary rollout start app "$new" --plan "$plan" --wait --timeout 4h

# The old process stops once no gateway has a request there and none will send one.
canary deactivate app "$old"
canary wait drained app "$old" --timeout 10m
ssh "$host" "systemctl stop app@$old"
canary remove app "$old"
