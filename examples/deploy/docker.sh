#!/bin/sh
# Deploys a version as a container beside the one that runs.
# usage: docker.sh IMAGE ADDRESS NEW OLD PORT    (example: docker.sh registry.internal/app 10.0.4.23 v2.4.0 v2.3.1 9024)
set -eu
image=$1 address=$2 new=$3 old=$4 port=$5
plan=${PLAN:-$(dirname "$0")/plan.json}

# A job that runs again finds its container.
docker start "app-$new" 2> /dev/null ||
  docker run --detach --name "app-$new" --restart unless-stopped --publish "$address:$port:8080" "$image:$new"
canary register app "$new" "http://$address:$port" --if-absent
canary wait healthy app "$new" --timeout 2m
canary rollout start app "$new" --plan "$plan" --wait --timeout 4h

# The old container stops once no gateway has a request there and none will send one.
canary deactivate app "$old"
canary wait drained app "$old" --timeout 10m
docker stop "app-$old"
canary remove app "$old"
