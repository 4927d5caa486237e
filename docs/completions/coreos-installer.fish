# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_coreos_installer_global_optspecs
    string join \n h/help V/version
end

function __fish_coreos_installer_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_coreos_installer_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_coreos_installer_using_subcommand
    set -l cmd (__fish_coreos_installer_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c coreos-installer -n "__fish_coreos_installer_needs_command" -s h -l help -d 'Print help'
complete -c coreos-installer -n "__fish_coreos_installer_needs_command" -s V -l version -d 'Print version'
complete -c coreos-installer -n "__fish_coreos_installer_needs_command" -f -a "install" -d 'Install to a disk'
complete -c coreos-installer -n "__fish_coreos_installer_needs_command" -f -a "download" -d 'Download an image'
complete -c coreos-installer -n "__fish_coreos_installer_needs_command" -f -a "list-stream" -d 'List available images of a stream'
complete -c coreos-installer -n "__fish_coreos_installer_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -s s -l stream -d 'Stream' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l stream-base-url -d 'Where streams are described' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -s a -l architecture -d 'Architecture; list-stream lists all without it' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -s u -l image-url -d 'The image at this URL' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -s f -l image-file -d 'This image' -r -F
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -s i -l ignition-file -d 'The config, in any language' -r -F
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -s I -l ignition-url -d 'The config at this URL' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l ignition-hash -d 'Its digest: sha256-... or sha512-...' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -s p -l platform -d 'Platform' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l console -d 'Kernel console' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l append-karg -d 'Append a kernel argument' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l delete-karg -d 'Delete a kernel argument' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l network-dir -d 'Where it is' -r -F
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l save-partlabel -d 'Save partitions with this label (glob)' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l save-partindex -d 'Save partitions with this number or range' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l fetch-retries -d 'Accepted: a server that does not answer is asked until it does' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l key -d 'Keys that may have signed the image' -r -F
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -s n -l copy-network -d 'Copy the network configuration of the running system'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l offline -d 'Use no network'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l insecure -d 'Skip signature verification'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l insecure-ignition -d 'Allow a config by plain HTTP without a digest'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -l preserve-on-error -d 'Accepted: nothing is cleared on error, because nothing boots that is not whole'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand install" -s h -l help -d 'Print help'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -s s -l stream -d 'Stream' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -l stream-base-url -d 'Where streams are described' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -s a -l architecture -d 'Architecture; list-stream lists all without it' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -s p -l platform -d 'Platform' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -s f -l format -d 'Image format' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -s u -l image-url -d 'The image at this URL' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -s C -l directory -d 'Directory' -r -F
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -l key -d 'Keys that may have signed the image' -r -F
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -l fetch-retries -d 'Accepted: a server that does not answer is asked until it does' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -l insecure -d 'Skip signature verification'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand download" -s h -l help -d 'Print help'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand list-stream" -s s -l stream -d 'Stream' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand list-stream" -l stream-base-url -d 'Where streams are described' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand list-stream" -s a -l architecture -d 'Architecture; list-stream lists all without it' -r
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand list-stream" -s h -l help -d 'Print help'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand help; and not __fish_seen_subcommand_from install download list-stream help" -f -a "install" -d 'Install to a disk'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand help; and not __fish_seen_subcommand_from install download list-stream help" -f -a "download" -d 'Download an image'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand help; and not __fish_seen_subcommand_from install download list-stream help" -f -a "list-stream" -d 'List available images of a stream'
complete -c coreos-installer -n "__fish_coreos_installer_using_subcommand help; and not __fish_seen_subcommand_from install download list-stream help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
