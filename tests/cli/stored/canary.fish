# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_canary_global_optspecs
    string join \n url= token-file= ca-cert= o/output= timeout= q/quiet h/help V/version
end

function __fish_canary_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_canary_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_canary_using_subcommand
    set -l cmd (__fish_canary_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c canary -n "__fish_canary_needs_command" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_needs_command" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_needs_command" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_needs_command" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_needs_command" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_needs_command" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_needs_command" -s V -l version -d 'Print version'
complete -c canary -n "__fish_canary_needs_command" -f -a "status" -d 'Shows all services in a line each, or one service with the figures of its versions'
complete -c canary -n "__fish_canary_needs_command" -f -a "register" -d 'Registers a version: at weight 0, or at 100 if it is the first of its service'
complete -c canary -n "__fish_canary_needs_command" -f -a "weight" -d 'Sets the weight of a version, or of all versions'
complete -c canary -n "__fish_canary_needs_command" -f -a "switch" -d 'Gives all traffic to a version, and activates it if necessary'
complete -c canary -n "__fish_canary_needs_command" -f -a "rollback" -d 'Gives all traffic back to the version that had most of it before the last rollout'
complete -c canary -n "__fish_canary_needs_command" -f -a "restore" -d 'Restores an earlier generation: weights, URLs, the versions in service and the health path'
complete -c canary -n "__fish_canary_needs_command" -f -a "history" -d 'Lists the changes of a service, or those that were refused, latest first'
complete -c canary -n "__fish_canary_needs_command" -f -a "activate" -d 'Takes a version into service: at weight 0, or at 100 if no other version is active'
complete -c canary -n "__fish_canary_needs_command" -f -a "deactivate" -d 'Takes a version out of service: its weight goes to the others'
complete -c canary -n "__fish_canary_needs_command" -f -a "check" -d 'Probes the instances of a version now'
complete -c canary -n "__fish_canary_needs_command" -f -a "remove" -d 'Removes an inactive version. Wait until it is drained before you stop its process'
complete -c canary -n "__fish_canary_needs_command" -f -a "url" -d 'Changes the base URLs of a version, which are its instances'
complete -c canary -n "__fish_canary_needs_command" -f -a "redraw" -d 'Ends the session affinity of all pinned users: they are assigned by the present weights'
complete -c canary -n "__fish_canary_needs_command" -f -a "explain" -d 'Says which version a key gets, and why'
complete -c canary -n "__fish_canary_needs_command" -f -a "replicas" -d 'Lists the gateways and whether they serve the last change'
complete -c canary -n "__fish_canary_needs_command" -f -a "traffic" -d 'Shows the figures of each version: shares with their intervals, outcomes, latencies'
complete -c canary -n "__fish_canary_needs_command" -f -a "wait" -d 'Waits until something is true: 10m, or --timeout. Exit code 5: the time ran out'
complete -c canary -n "__fish_canary_needs_command" -f -a "rollout" -d 'Starts, watches and steers a rollout: the gateways drive it by its plan and take it back if the version is worse'
complete -c canary -n "__fish_canary_needs_command" -f -a "top" -d 'Shows the status on the whole screen, painted again every two seconds, until --timeout or Ctrl-C'
complete -c canary -n "__fish_canary_needs_command" -f -a "completions" -d 'Writes the completions for a shell'
complete -c canary -n "__fish_canary_needs_command" -f -a "man" -d 'Writes the man page of the program, or the pages of all verbs into a directory'
complete -c canary -n "__fish_canary_needs_command" -f -a "exit-codes" -d 'Lists the exit codes'
complete -c canary -n "__fish_canary_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c canary -n "__fish_canary_using_subcommand status" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand status" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand status" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand status" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand status" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand status" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand register" -l weight -d 'Weight in percent that the version gets immediately' -r
complete -c canary -n "__fish_canary_using_subcommand register" -l health -d 'Path of health probes below the base URLs, for all versions of the service' -r
complete -c canary -n "__fish_canary_using_subcommand register" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand register" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand register" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand register" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand register" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand register" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand register" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand register" -l inactive -d 'Register the version out of service'
complete -c canary -n "__fish_canary_using_subcommand register" -l if-absent -d 'Succeed without a change if the version has these URLs already'
complete -c canary -n "__fish_canary_using_subcommand register" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand register" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand register" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand register" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand register" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand weight" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand weight" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand weight" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand weight" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand weight" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand weight" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand weight" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand weight" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand weight" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand weight" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand weight" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand weight" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand switch" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand switch" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand switch" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand switch" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand switch" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand switch" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand switch" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand switch" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand switch" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand switch" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand switch" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand switch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollback" -l to -d 'Version to go back to, instead of the one that the history names' -r
complete -c canary -n "__fish_canary_using_subcommand rollback" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand rollback" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand rollback" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollback" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollback" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollback" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollback" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollback" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand rollback" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand rollback" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand rollback" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand restore" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand restore" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand restore" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand restore" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand restore" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand restore" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand restore" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand restore" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand restore" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand restore" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand restore" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand history" -l limit -d 'Number of changes' -r
complete -c canary -n "__fish_canary_using_subcommand history" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand history" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand history" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand history" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand history" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand history" -l refused -d 'List the changes that were refused'
complete -c canary -n "__fish_canary_using_subcommand history" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand activate" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand activate" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand activate" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand activate" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand activate" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand activate" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand activate" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand activate" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand activate" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand activate" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand activate" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand activate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand deactivate" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand deactivate" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand deactivate" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand deactivate" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand deactivate" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand deactivate" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand deactivate" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand deactivate" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand deactivate" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand deactivate" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand deactivate" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand deactivate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand check" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand check" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand check" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand check" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand check" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand check" -l clear -d 'End the ejection of each instance that passes'
complete -c canary -n "__fish_canary_using_subcommand check" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand remove" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand remove" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand remove" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand remove" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand remove" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand remove" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand remove" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand remove" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand remove" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand remove" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand remove" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand url" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand url" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand url" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand url" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand url" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand url" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand url" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand url" -l add -d 'Add the URLs to the present ones'
complete -c canary -n "__fish_canary_using_subcommand url" -l remove -d 'Remove the URLs from the present ones'
complete -c canary -n "__fish_canary_using_subcommand url" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand url" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand url" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand url" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand url" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand redraw" -l reason -d 'Why the change is made, for the history' -r
complete -c canary -n "__fish_canary_using_subcommand redraw" -l if-generation -d 'Make the change only if the split is at this generation' -r
complete -c canary -n "__fish_canary_using_subcommand redraw" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand redraw" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand redraw" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand redraw" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand redraw" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand redraw" -l dry-run -d 'Make no change, and show the split that it would make and which users would move'
complete -c canary -n "__fish_canary_using_subcommand redraw" -l force -d 'Skip the probe, and allow to take the last active version out of service'
complete -c canary -n "__fish_canary_using_subcommand redraw" -l wait -d 'Wait until all gateways serve the change: 5s, or --timeout up to 60s'
complete -c canary -n "__fish_canary_using_subcommand redraw" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand redraw" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand explain" -l weights -d 'Explain a split with these weights instead of the present ones' -r
complete -c canary -n "__fish_canary_using_subcommand explain" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand explain" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand explain" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand explain" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand explain" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand explain" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand replicas" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand replicas" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand replicas" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand replicas" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand replicas" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand replicas" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand replicas" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand traffic" -l version -d 'Show this version alone' -r
complete -c canary -n "__fish_canary_using_subcommand traffic" -l window -d 'Period of the figures' -r -f -a "10s\t''
60s\t''
5m\t''"
complete -c canary -n "__fish_canary_using_subcommand traffic" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand traffic" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand traffic" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand traffic" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand traffic" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand traffic" -l watch -d 'Go on every two seconds, until --timeout or Ctrl-C'
complete -c canary -n "__fish_canary_using_subcommand traffic" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand traffic" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -f -a "drained" -d 'Waits until no gateway has or sends requests to a version, so that its process may be stopped'
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -f -a "converged" -d 'Waits until all gateways serve the last change'
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -f -a "healthy" -d 'Waits until every instance of a version passes a probe'
complete -c canary -n "__fish_canary_using_subcommand wait; and not __fish_seen_subcommand_from drained converged healthy help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from drained" -l instance -d 'Wait for the instance at this base URL alone' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from drained" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from drained" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from drained" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from drained" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from drained" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from drained" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from drained" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from converged" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from converged" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from converged" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from converged" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from converged" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from converged" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from converged" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from healthy" -l instance -d 'Wait for the instance at this base URL alone' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from healthy" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from healthy" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from healthy" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from healthy" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from healthy" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from healthy" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from healthy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from help" -f -a "drained" -d 'Waits until no gateway has or sends requests to a version, so that its process may be stopped'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from help" -f -a "converged" -d 'Waits until all gateways serve the last change'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from help" -f -a "healthy" -d 'Waits until every instance of a version passes a probe'
complete -c canary -n "__fish_canary_using_subcommand wait; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "start" -d 'Starts a rollout, or returns the one by the same plan that is under way'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "list" -d 'Lists the rollouts under way, or the last ones of a service'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "status" -d 'Shows the rollout of a service: the one under way, or the last one'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "watch" -d 'Follows a rollout until it is over or paused: 4h, or --timeout. Exit codes 6: taken back, 7: paused'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "approve" -d 'Opens the gate `approval` of a step'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "advance" -d 'Goes on to the next step now, whatever the guard still waits for'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "pause" -d 'Keeps the weights as they are until `canary rollout resume`'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "resume" -d 'Goes on after a pause. A step that was inconclusive counts as passed'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "promote" -d 'Skips the steps that are left: the version gets all traffic after the last hold'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "abort" -d 'Ends the rollout and brings back the weights of its start'
complete -c canary -n "__fish_canary_using_subcommand rollout; and not __fish_seen_subcommand_from start list status watch approve advance pause resume promote abort help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l steps -d 'Weights of the steps in percent, rising [default: 5,10,25,50]' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l hold -d 'Time that each step is watched, such as 90s or 5m [default: 5m]' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l keep -d 'Weight that the other versions keep while the end is watched, so that the guard can compare [default: 5]' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l max-failed -d 'Part of the requests of the version that may fail, in percent' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l max-p99 -d 'Latency that 99 % of the requests of the version may have, such as 300ms' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l gate -d 'Gate that must be open after each step: `approval`, or one that the gateway has' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l plan -d 'File with the plan as JSON, `-` for stdin, instead of the flags' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l reason -d 'Why the rollout is started' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l dry-run -d 'Start nothing, and show the weights of each step, who would move, and how long it takes'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -l wait -d 'Wait for the end: 4h, or --timeout. Exit codes 6: taken back, 7: paused'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from list" -l limit -d 'Number of rollouts' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from list" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from list" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from list" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from list" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from status" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from status" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from status" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from status" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from status" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from watch" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from watch" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from watch" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from watch" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from watch" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from watch" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l reason -d 'Why, for the events of the rollout' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from approve" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from approve" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from approve" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from approve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from advance" -l reason -d 'Why, for the events of the rollout' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from advance" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from advance" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from advance" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from advance" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from advance" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from advance" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from advance" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l reason -d 'Why, for the events of the rollout' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l reason -d 'Why, for the events of the rollout' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l reason -d 'Why, for the events of the rollout' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l reason -d 'Why, for the events of the rollout' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l force -d 'Go back even if the versions of the start do not pass their probe'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "start" -d 'Starts a rollout, or returns the one by the same plan that is under way'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "list" -d 'Lists the rollouts under way, or the last ones of a service'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "status" -d 'Shows the rollout of a service: the one under way, or the last one'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "watch" -d 'Follows a rollout until it is over or paused: 4h, or --timeout. Exit codes 6: taken back, 7: paused'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "approve" -d 'Opens the gate `approval` of a step'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "advance" -d 'Goes on to the next step now, whatever the guard still waits for'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "pause" -d 'Keeps the weights as they are until `canary rollout resume`'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Goes on after a pause. A step that was inconclusive counts as passed'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "promote" -d 'Skips the steps that are left: the version gets all traffic after the last hold'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "abort" -d 'Ends the rollout and brings back the weights of its start'
complete -c canary -n "__fish_canary_using_subcommand rollout; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c canary -n "__fish_canary_using_subcommand top" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand top" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand top" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand top" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand top" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand top" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand completions" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand completions" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand completions" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand completions" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand completions" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand completions" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand man" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand man" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand man" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand man" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand man" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand man" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand exit-codes" -l url -d 'Address of the admin API. Without a path, /api/v1/admin is added. Several addresses, separated by commas, are of gateways on one database: the next one is asked when one does not respond' -r
complete -c canary -n "__fish_canary_using_subcommand exit-codes" -l token-file -d 'File with the token, `-` for stdin. The variable CANARY_TOKEN has the token itself: no option has it, since other users see the arguments of a process' -r -F
complete -c canary -n "__fish_canary_using_subcommand exit-codes" -l ca-cert -d 'File with PEM certificates to trust, besides the certificates of the system' -r -F
complete -c canary -n "__fish_canary_using_subcommand exit-codes" -s o -l output -d 'Form of the answer: text for people, or the JSON of the API unchanged' -r -f -a "text\t'For people'
json\t'The response of the API, unchanged'"
complete -c canary -n "__fish_canary_using_subcommand exit-codes" -l timeout -d 'Longest time of a wait. A call has 10s at most' -r
complete -c canary -n "__fish_canary_using_subcommand exit-codes" -s q -l quiet -d 'Write nothing to stderr but errors'
complete -c canary -n "__fish_canary_using_subcommand exit-codes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "status" -d 'Shows all services in a line each, or one service with the figures of its versions'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "register" -d 'Registers a version: at weight 0, or at 100 if it is the first of its service'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "weight" -d 'Sets the weight of a version, or of all versions'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "switch" -d 'Gives all traffic to a version, and activates it if necessary'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "rollback" -d 'Gives all traffic back to the version that had most of it before the last rollout'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "restore" -d 'Restores an earlier generation: weights, URLs, the versions in service and the health path'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "history" -d 'Lists the changes of a service, or those that were refused, latest first'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "activate" -d 'Takes a version into service: at weight 0, or at 100 if no other version is active'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "deactivate" -d 'Takes a version out of service: its weight goes to the others'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "check" -d 'Probes the instances of a version now'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "remove" -d 'Removes an inactive version. Wait until it is drained before you stop its process'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "url" -d 'Changes the base URLs of a version, which are its instances'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "redraw" -d 'Ends the session affinity of all pinned users: they are assigned by the present weights'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "explain" -d 'Says which version a key gets, and why'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "replicas" -d 'Lists the gateways and whether they serve the last change'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "traffic" -d 'Shows the figures of each version: shares with their intervals, outcomes, latencies'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "wait" -d 'Waits until something is true: 10m, or --timeout. Exit code 5: the time ran out'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "rollout" -d 'Starts, watches and steers a rollout: the gateways drive it by its plan and take it back if the version is worse'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "top" -d 'Shows the status on the whole screen, painted again every two seconds, until --timeout or Ctrl-C'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "completions" -d 'Writes the completions for a shell'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "man" -d 'Writes the man page of the program, or the pages of all verbs into a directory'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "exit-codes" -d 'Lists the exit codes'
complete -c canary -n "__fish_canary_using_subcommand help; and not __fish_seen_subcommand_from status register weight switch rollback restore history activate deactivate check remove url redraw explain replicas traffic wait rollout top completions man exit-codes help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from wait" -f -a "drained" -d 'Waits until no gateway has or sends requests to a version, so that its process may be stopped'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from wait" -f -a "converged" -d 'Waits until all gateways serve the last change'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from wait" -f -a "healthy" -d 'Waits until every instance of a version passes a probe'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "start" -d 'Starts a rollout, or returns the one by the same plan that is under way'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "list" -d 'Lists the rollouts under way, or the last ones of a service'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "status" -d 'Shows the rollout of a service: the one under way, or the last one'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "watch" -d 'Follows a rollout until it is over or paused: 4h, or --timeout. Exit codes 6: taken back, 7: paused'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "approve" -d 'Opens the gate `approval` of a step'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "advance" -d 'Goes on to the next step now, whatever the guard still waits for'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "pause" -d 'Keeps the weights as they are until `canary rollout resume`'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "resume" -d 'Goes on after a pause. A step that was inconclusive counts as passed'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "promote" -d 'Skips the steps that are left: the version gets all traffic after the last hold'
complete -c canary -n "__fish_canary_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "abort" -d 'Ends the rollout and brings back the weights of its start'
