# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_afterburn_global_optspecs
    string join \n h/help V/version
end

function __fish_afterburn_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_afterburn_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_afterburn_using_subcommand
    set -l cmd (__fish_afterburn_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c afterburn -n "__fish_afterburn_needs_command" -s h -l help -d 'Print help'
complete -c afterburn -n "__fish_afterburn_needs_command" -s V -l version -d 'Print version'
complete -c afterburn -n "__fish_afterburn_needs_command" -f -a "multi" -d 'Do several jobs with one answer of the platform; this is meant where no command is given'
complete -c afterburn -n "__fish_afterburn_needs_command" -f -a "exp" -d 'Experimental commands'
complete -c afterburn -n "__fish_afterburn_needs_command" -f -a "render-ignition" -d 'Write parts of an Ignition config; not done by pilotlight'
complete -c afterburn -n "__fish_afterburn_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l provider -d 'The platform' -r
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l attributes -d 'Write the attributes to this file' -r -F
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l hostname -d 'Write the host name to this file' -r -F
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l network-units -d 'Write units of systemd-networkd to this directory' -r -F
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l netplan-config -d 'Not done by pilotlight' -r -F
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l networkmanager-profiles -d 'Not done by pilotlight' -r -F
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l ssh-keys -d 'Give this user the SSH keys of the platform' -r
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l cmdline -d 'The platform is the one that the kernel command line names'
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l check-in -d 'Tell the platform that the machine is up'
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -l legacy-cli -d 'How Afterburn calls itself where no command is given'
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -s h -l help -d 'Print help'
complete -c afterburn -n "__fish_afterburn_using_subcommand multi" -s V -l version -d 'Print version'
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and not __fish_seen_subcommand_from rd-network-kargs help" -s h -l help -d 'Print help'
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and not __fish_seen_subcommand_from rd-network-kargs help" -s V -l version -d 'Print version'
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and not __fish_seen_subcommand_from rd-network-kargs help" -f -a "rd-network-kargs" -d 'Write kernel arguments for the network of the initramfs, unless the kernel command line has some'
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and not __fish_seen_subcommand_from rd-network-kargs help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and __fish_seen_subcommand_from rd-network-kargs" -l provider -d 'The platform' -r
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and __fish_seen_subcommand_from rd-network-kargs" -l default-value -d 'The arguments where the platform has none for this machine' -r
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and __fish_seen_subcommand_from rd-network-kargs" -l cmdline -d 'The platform is the one that the kernel command line names'
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and __fish_seen_subcommand_from rd-network-kargs" -s h -l help -d 'Print help'
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and __fish_seen_subcommand_from rd-network-kargs" -s V -l version -d 'Print version'
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and __fish_seen_subcommand_from help" -f -a "rd-network-kargs" -d 'Write kernel arguments for the network of the initramfs, unless the kernel command line has some'
complete -c afterburn -n "__fish_afterburn_using_subcommand exp; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c afterburn -n "__fish_afterburn_using_subcommand render-ignition" -l provider -d 'The platform' -r
complete -c afterburn -n "__fish_afterburn_using_subcommand render-ignition" -l render-ignition-dir -d 'The directory of the parts' -r -F
complete -c afterburn -n "__fish_afterburn_using_subcommand render-ignition" -l cmdline -d 'The platform is the one that the kernel command line names'
complete -c afterburn -n "__fish_afterburn_using_subcommand render-ignition" -l disable-hostname-fragment -d 'No part with the host name'
complete -c afterburn -n "__fish_afterburn_using_subcommand render-ignition" -l disable-user-fragment -d 'No part with the platform\'s user'
complete -c afterburn -n "__fish_afterburn_using_subcommand render-ignition" -s h -l help -d 'Print help'
complete -c afterburn -n "__fish_afterburn_using_subcommand render-ignition" -s V -l version -d 'Print version'
complete -c afterburn -n "__fish_afterburn_using_subcommand help; and not __fish_seen_subcommand_from multi exp render-ignition help" -f -a "multi" -d 'Do several jobs with one answer of the platform; this is meant where no command is given'
complete -c afterburn -n "__fish_afterburn_using_subcommand help; and not __fish_seen_subcommand_from multi exp render-ignition help" -f -a "exp" -d 'Experimental commands'
complete -c afterburn -n "__fish_afterburn_using_subcommand help; and not __fish_seen_subcommand_from multi exp render-ignition help" -f -a "render-ignition" -d 'Write parts of an Ignition config; not done by pilotlight'
complete -c afterburn -n "__fish_afterburn_using_subcommand help; and not __fish_seen_subcommand_from multi exp render-ignition help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c afterburn -n "__fish_afterburn_using_subcommand help; and __fish_seen_subcommand_from exp" -f -a "rd-network-kargs" -d 'Write kernel arguments for the network of the initramfs, unless the kernel command line has some'
