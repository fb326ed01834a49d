
# The words after the name of the applet; nothing if this is no command line of that applet.
function __exitdir_words # APPLET
    set -l words (commandline -opc)
    set -l program (string replace -r '.*/' '' -- $words[1])
    set -e words[1]
    if test "$program" = exitdir
        set program "exitdir-"(string replace exitdir- '' -- "$words[1]")
        set -e words[1]
    end
    contains -- $program exitdir-$argv[1] $argv[1]; or return 1
    string join \n -- $words
    return 0
end

function __exitdir_is # APPLET
    __exitdir_words $argv[1] >/dev/null
end

# The words of the command of an applet; fails if it has not begun.
function __exitdir_command # APPLET
    set -l valued __exitdir_valued_$argv[1]
    set -l words (__exitdir_words $argv[1]); or return 1
    while set -q words[1]
        if test "$words[1]" = --
            set -e words[1]
            string join \n -- $words
            return 0
        else if contains -- $words[1] $$valued
            set -e words[1]
        else if contains $argv[1] run kubexit; and not string match -q -- '-*' $words[1]
            string join \n -- $words
            return 0
        end
        set -e words[1]
    end
    return 1
end

# Whether the options and arguments of an applet go on.
function __exitdir_goes_on # APPLET
    __exitdir_is $argv[1]; and not __exitdir_command $argv[1] >/dev/null
end

function __exitdir_complete_command # APPLET
    set -l words (__exitdir_command $argv[1]); or return
    if set -q words[1]
        __fish_complete_subcommand --commandline $words (commandline -ct)
    else
        __fish_complete_command
    end
end

# The names in the exit directory: of --dir on the command line, else of the variable.
function __exitdir_names
    set -l directory $EXIT_DIR
    set -l words (commandline -opc)
    for i in (seq (count $words))
        switch $words[$i]
            case -d --dir
                set directory $words[(math $i + 1)]
            case '--dir=*'
                set directory (string replace -- --dir= '' $words[$i])
        end
    end
    test -n "$directory"; or return
    # Other file names are of other programs.
    for file in $directory/*
        set -l name (string replace -r '.*/' '' -- $file)
        string match -qr '^[A-Za-z0-9_][A-Za-z0-9._-]*$' -- "$name"; and test -f $file
        and not test -L $file; and echo $name
    end
end

function __exitdir_conditions
    for name in (__exitdir_names) ''
        test -n "$name"; and echo $name
        for state in waiting born ready inactive ok failed lost died
            echo $name:$state
        end
    end
    string join \n tcp: http: unix: file:
end

set -g __exitdir_applets run wait signal status install kubexit
complete -c exitdir -f -n 'test (count (commandline -opc)) -eq 1' -a "$__exitdir_applets help"
complete -c exitdir -f -n 'contains -- help (commandline -opc)[2]' -a "$__exitdir_applets"
for program in exitdir exitdir-{run,wait,signal,status,install} kubexit
    complete -c $program -f
end
