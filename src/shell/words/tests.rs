use super::*;
use proptest::prelude::*;

fn commands(script: &str) -> Vec<String> {
    words(script.as_bytes()).unwrap().commands.into_iter().collect()
}

#[test]
fn commands_wherever_they_stand() {
    for (script, expected) in [
        ("#!/bin/sh\nset -e\ngrep x y | sed s/a/b/ && echo done\n", &["grep", "sed"][..]),
        ("if test -f x; then cat x; elif cmp a b; then :; else rm x; fi\n", &["cat", "cmp", "rm"]),
        ("f() { sort; }\nf\nfoo() (uniq)\n", &["sort", "uniq"]),
        ("x=$(basename \"$0\")\ny=`dirname $0`\n", &["basename", "dirname"]),
        ("echo \"a $(date) b\" > $(mktemp)\n", &["date", "mktemp"]),
        ("case $1 in a|b) tar xf x ;; *) exit 1 ;; esac\n", &["tar"]),
        (
            "for i in $(seq 1 3); do sleep 1; done\nwhile find .; do awk 1; done\n",
            &["awk", "find", "seq", "sleep"],
        ),
        ("cat <<EOF\n$(hostname)\nEOF\ncat <<'EOF'\n$(nothere)\nEOF\n", &["cat", "hostname"]),
        ("exec /usr/lib/x/y \"$@\"\n", &["/usr/lib/x/y"]),
        (
            "find . | xargs -n 1 gzip\nexec env -i A=b ls\nnohup nice -n 5 make\n",
            &["env", "find", "gzip", "ls", "make", "nice", "nohup", "xargs"],
        ),
        ("PAGER=less\n$PAGER x\n\"$EDITOR\" y\n", &["less"]),
        ("A=one\nA=two\n$A\n", &["one", "two"]),
        (
            "if x; then W=/usr/bin/w9; else W=/usr/bin/w; fi\nexec $W -a\n",
            &["/usr/bin/w", "/usr/bin/w9", "x"],
        ),
        ("A=one\nA=$(date)\n$A b $A\n", &["date", "one"]),
        ("prog=\"expr 1\"\n$prog + 2\n", &["expr"]),
        ("${SED:-sed} x\n", &["sed"]),
        ("FOO=bar baz\n", &["baz"]),
        ("trap 'rm -f $x; sync' EXIT\n", &["rm", "sync"]),
        ("eval \"ls $x\"; eval ls\n", &["ls"]),
        ("sh -c 'mv a b'; su -s /bin/sh -c \"touch $*\" list\n", &["mv", "sh", "su", "touch"]),
        (
            "setpriv --reuid=unbound --clear-groups sh -c \"\\\n cp --x \\\"$A\\\" b && \\\n mv -f b c\"\n",
            &["cp", "mv", "setpriv", "sh"],
        ),
        (
            "timeout -k 5 10 sh -c 'a; \\b'; timeout 5 c; chroot /x d; flock -w 2 /run/l e -- f\n",
            &["a", "b", "c", "chroot", "d", "e", "flock", "sh", "timeout"],
        ),
        (
            "sudo -u x -- sh -c \"g\"; gosu x h; env A=1 /bin/sh -c 'i'; exec setsid sh -c \"j \\$(k)\"\n",
            &["/bin/sh", "env", "g", "gosu", "h", "i", "j", "k", "setsid", "sh", "sudo"],
        ),
        ("eval \"l \\\"$(m)\\\"\"\n", &["l", "m"]),
        ("for p in gawk mawk; do a=$(command -v $p); test -n \"$a\" && break; done\n", &["gawk", "mawk"]),
        ("# \\\\\nexec wish \"$0\" \"$@\"\nproc a {b} { puts \"x }\n", &["wish"]),
        ("#!/bin/sh\n# \\\nexec expect \"$0\" \"$@\"\nspawn ssh $host\nsend x\n", &["expect"]),
        ("#!/bin/sh\nexec 2>/dev/null\ngrep x y\n", &["grep"]),
        ("x=\"${y:-$(stat z)}\"\n", &["stat"]),
        ("diff <(sort a) b\n[[ -n $(id -u) ]] && true\n", &["diff", "id", "sort"]),
        ("(cd / && du) & wait\n{ wc -l; }\n! cut -c1\n", &["cut", "du", "wc"]),
    ] {
        assert_eq!(commands(script), expected, "{script}");
    }
}

#[test]
fn sources_and_what_is_only_sought() {
    let found = words(
        b"LIB=/usr/share/x\n. /lib/lsb/init-functions\n. \"$LIB/common.sh\"\n. git-sh-setup\nsource \"$1\"\n\
          if command -v systemctl >/dev/null; then systemctl start; fi\n[ -x /usr/bin/y ] && /usr/bin/y\n",
    )
    .unwrap();
    assert_eq!(
        found.sources.into_iter().collect::<Vec<_>>(),
        ["/lib/lsb/init-functions", "/usr/share/x/common.sh", "git-sh-setup"]
    );
    assert!(found.sources_unknown);
    let found_in = |text: &str| words(text.as_bytes()).unwrap();
    for (text, name) in [
        (". ${DIR}/lib.cli\n", "*/lib.cli"),
        ("base=$DIR/x\n. \"$base/lib.cli\"\n", "*/lib.cli"),
        (". \"$(dirname \"$0\")\"/../share/lib.cli\n", "*/lib.cli"),
    ] {
        let found = found_in(text);
        assert_eq!(found.sources.into_iter().collect::<Vec<_>>(), [name], "{text}");
        assert!(!found.sources_unknown);
    }
    for text in [". $DIR/$x\n", ". lib.$x\n", ". $DIR/x.*\n", ". $DIR/\n"] {
        let found = found_in(text);
        assert!(found.sources.is_empty() && found.sources_unknown, "{text}");
    }
    assert_eq!(found.sought.into_iter().collect::<Vec<_>>(), ["/usr/bin/y", "systemctl"]);
    assert_eq!(found.commands.into_iter().collect::<Vec<_>>(), ["/usr/bin/y", "systemctl"]);
}

#[test]
fn what_is_no_script_is_left_alone() {
    assert_eq!(words(b"a\0b"), None);
    assert_eq!(words(&vec![b'a'; MAX_SCRIPT + 1]), None);
    assert_eq!(words("(".repeat(100_000).as_bytes()), None);
    assert_eq!(words("$(".repeat(100_000).as_bytes()), None);
    assert_eq!(words("if ".repeat(50_000).as_bytes()), None);
    assert_eq!(words(b"if then fi ((("), None);
    assert_eq!(words(b""), Some(ScriptWords::default()));
}

#[test]
fn negations_without_end() {
    let text = format!("#!/bin/bash\n[[ {} a ]]\n", "! ".repeat(50_000));
    assert_eq!(words(text.as_bytes()), Some(ScriptWords::default()));
}

#[test]
fn what_the_parser_does_not_know_is_no_end_of_a_script() {
    let commands = |text: &str| words(text.as_bytes()).unwrap().commands.into_iter().collect::<Vec<_>>();
    for condition in ["( ( -n $a ) )", "( -n $b || ( -n $a ) )", "-n $b || ( $o =~ ^(x|y)$ && y )"] {
        let text = format!("#!/bin/bash\nreadlink -f x\nif [[ {condition} ]]; then\n\tstat x\nfi\n");
        assert_eq!(commands(&text), ["readlink", "stat"], "{condition}");
        assert!(!words(text.as_bytes()).unwrap().guessed, "{condition}");
    }
    // Bash refuses the second line itself.
    let text = "#!/bin/bash\nfor i in $(; do\n\tif ! grep -q x y; then\nsed s/a/b/ x\nf() {\n. /x\n";
    assert_eq!(commands(text), ["grep", "sed"]);
    let text = "#!/bin/bash\nfor i in $(; do\nfind() {\n}\nfind x\nstat x\n";
    assert_eq!(commands(text), ["stat"]);
    assert!(words(text.as_bytes()).unwrap().guessed);
    assert_eq!(words(b"#!/usr/bin/wish\nif { ls\n"), None);
}

proptest! {
    #[test]
    fn no_text_is_too_much(text in "(a|if|then|fi|\\$\\(|\\)|`|\"|'|;|\\n| |do|done|case|esac|in|<<E|\\{|\\}|&&|\\||=|\\$|#){0,60}") {
        words(text.as_bytes());
    }
}

#[test]
fn here_documents_without_an_end_end() {
    for text in ["case $(<<E\"'esac\n$( |<<E}$(", "$(<<''", "cat <<\"\" <<E", "cat <<''", "<<E\"``$( )$("] {
        words(text.as_bytes());
    }
}

#[test]
fn command_lines_of_other_languages() {
    let found = |text: &str| {
        let words = words(text.as_bytes()).unwrap();
        assert!(words.guessed && words.sources.is_empty(), "{words:?}");
        words.commands.into_iter().collect::<Vec<_>>().join(" ")
    };
    for (line, expected) in [
        ("my $host = `hostname -s`; # `uname`, not", "hostname uname"),
        ("system(\"md5sum $file | awk '{print \\$1}'\");", "awk md5sum"),
        ("system 'tar', 'xf', $archive;", "tar"),
        ("my $diff = 'diff';\nmy $pid = open($in, \"-|\", \"$diff\", @ARGV);", "diff"),
        ("open my $sorted, '-|', 'sort', '-u', $file or die;", "sort"),
        ("open(L, \"md5sum /usr/include/{Core,Gui}/* \" .\n  \"/usr/x/*|\");", "md5sum"),
        ("open(OUT, \"| /usr/sbin/sendmail -t\");", "/usr/sbin/sendmail"),
        ("open(IN, \"<$file\"); open(my $out, '>', 'tac');", ""),
        ("my $text = qx{stat -c %s $0} . qx(id);", "id stat"),
        // No shell is asked, which would do it itself.
        ("my $here = `pwd`; system(\"echo $here\");", "pwd"),
        ("exec $command;", ""),
        ("my %system = ('rm', 1); $exec{'rm'}; &foo('rm');", ""),
        ("=pod\n\nsystem('rm');\n\n=cut\n\nsystem('ls');\n__END__\nsystem('rm')\n", "ls"),
        ("# system('rm')\n  # `rm`\n", ""),
        ("print \"it's a `quote' of one\";", ""),
    ] {
        assert_eq!(found(&format!("#!/usr/bin/perl -w\n{line}\n")), expected, "{line}");
    }
    for (line, expected) in [
        ("subprocess.run(['ls', '-l'], check=True)", "ls"),
        ("out = subprocess.check_output(\"date +%s | tr a b\", shell=True)", "date tr"),
        ("os.system('echo there')", ""),
        ("asyncio.run(main('rm'))\nos.system(f'{command} x')", ""),
    ] {
        assert_eq!(found(&format!("#!/usr/bin/env python3\n{line}\n")), expected, "{line}");
    }
    assert_eq!(
        found("#!/usr/bin/ruby3.3\nputs `uname -a`\nIO.popen(['tar', 'tf']) { |x| system \"ls\" }\n"),
        "ls tar uname"
    );
    assert_eq!(words(b"#!/usr/bin/php\nsystem('ls');\nif ("), None);
}
