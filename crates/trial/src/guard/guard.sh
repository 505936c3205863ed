# Outlives the process whose pipe is its standard input, by as long as it takes to clean up after it.
# $1 is the folder to delete. Lines: "+ID" and "-ID", a process group that is or no longer is ours.
trap '' HUP INT QUIT TERM
folder=$1
groups=
while read -r line; do
    group=${line#?}
    case $group in '' | *[!0-9]*) continue ;; esac
    kept=
    for other in $groups; do
        [ "$other" = "$group" ] || kept="$kept $other"
    done
    groups=$kept
    case $line in +*) groups="$groups $group" ;; esac
done
living() {
    for group in $groups; do
        kill -s 0 -- "-$group" 2>/dev/null && return 0
    done
    return 1
}
for group in $groups; do
    kill -s TERM -- "-$group" 2>/dev/null
    kill -s CONT -- "-$group" 2>/dev/null
done
for _ in 1 2 3 4 5 6 7 8 9 10; do
    living || break
    sleep 0.1
done
for group in $groups; do
    kill -s KILL -- "-$group" 2>/dev/null
done
rm -rf -- "$folder"
