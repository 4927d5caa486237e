_afterburn() {
    local i cur prev opts cmd
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        cur="$2"
    else
        cur="${COMP_WORDS[COMP_CWORD]}"
    fi
    prev="$3"
    cmd=""
    opts=""

    for i in "${COMP_WORDS[@]:0:COMP_CWORD}"
    do
        case "${cmd},${i}" in
            ",$1")
                cmd="afterburn"
                ;;
            afterburn,exp)
                cmd="afterburn__subcmd__exp"
                ;;
            afterburn,help)
                cmd="afterburn__subcmd__help"
                ;;
            afterburn,multi)
                cmd="afterburn__subcmd__multi"
                ;;
            afterburn,render-ignition)
                cmd="afterburn__subcmd__render__subcmd__ignition"
                ;;
            afterburn__subcmd__exp,help)
                cmd="afterburn__subcmd__exp__subcmd__help"
                ;;
            afterburn__subcmd__exp,rd-network-kargs)
                cmd="afterburn__subcmd__exp__subcmd__rd__subcmd__network__subcmd__kargs"
                ;;
            afterburn__subcmd__exp__subcmd__help,help)
                cmd="afterburn__subcmd__exp__subcmd__help__subcmd__help"
                ;;
            afterburn__subcmd__exp__subcmd__help,rd-network-kargs)
                cmd="afterburn__subcmd__exp__subcmd__help__subcmd__rd__subcmd__network__subcmd__kargs"
                ;;
            afterburn__subcmd__help,exp)
                cmd="afterburn__subcmd__help__subcmd__exp"
                ;;
            afterburn__subcmd__help,help)
                cmd="afterburn__subcmd__help__subcmd__help"
                ;;
            afterburn__subcmd__help,multi)
                cmd="afterburn__subcmd__help__subcmd__multi"
                ;;
            afterburn__subcmd__help,render-ignition)
                cmd="afterburn__subcmd__help__subcmd__render__subcmd__ignition"
                ;;
            afterburn__subcmd__help__subcmd__exp,rd-network-kargs)
                cmd="afterburn__subcmd__help__subcmd__exp__subcmd__rd__subcmd__network__subcmd__kargs"
                ;;
            *)
                ;;
        esac
    done

    case "${cmd}" in
        afterburn)
            opts="-h -V --help --version multi exp render-ignition help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__exp)
            opts="-h -V --help --version rd-network-kargs help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__exp__subcmd__help)
            opts="rd-network-kargs help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__exp__subcmd__help__subcmd__help)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 4 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__exp__subcmd__help__subcmd__rd__subcmd__network__subcmd__kargs)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 4 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__exp__subcmd__rd__subcmd__network__subcmd__kargs)
            opts="-h -V --provider --cmdline --default-value --help --version"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --provider)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --default-value)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__help)
            opts="multi exp render-ignition help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__help__subcmd__exp)
            opts="rd-network-kargs"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__help__subcmd__exp__subcmd__rd__subcmd__network__subcmd__kargs)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 4 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__help__subcmd__help)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__help__subcmd__multi)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__help__subcmd__render__subcmd__ignition)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__multi)
            opts="-h -V --provider --cmdline --attributes --check-in --hostname --network-units --netplan-config --networkmanager-profiles --ssh-keys --legacy-cli --help --version"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --provider)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --attributes)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --hostname)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --network-units)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --netplan-config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --networkmanager-profiles)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ssh-keys)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        afterburn__subcmd__render__subcmd__ignition)
            opts="-h -V --provider --cmdline --render-ignition-dir --disable-hostname-fragment --disable-user-fragment --help --version"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --provider)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --render-ignition-dir)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _afterburn -o nosort -o bashdefault -o default afterburn
else
    complete -F _afterburn -o bashdefault -o default afterburn
fi
