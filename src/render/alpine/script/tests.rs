use proptest::prelude::*;

use super::*;

/// What a script runs (`no` fails, `what` is not known), and what of it was not understood.
fn read(script: &str) -> (Vec<String>, Vec<String>) {
    let mut ran = Vec::new();
    let unclear = evaluate(script, &mut |words| {
        if words[0] == "what" {
            return None;
        }
        ran.push(words.join("|"));
        Some(words[0] != "no")
    });
    (ran, unclear)
}

#[test]
fn plain_scripts() {
    for (script, ran, unclear) in [
        (
            "#!/bin/sh\n\nadd a b 2>/dev/null\n# no\nadd 'c d' \"e\"\\ f >/dev/null 2>&1\nexit 0\nadd g\n",
            "add|a|b add|c d|e f",
            "",
        ),
        ("#!/bin/busybox sh\na; b && c || d\nno && e || f || g; h\n", "a b c no f h", ""),
        ("true || a && b\nno && a || b && c\n", "true b no b c", ""),
        (
            "name=pulse\nhome=/run/$name\nadd -h \"$home\" ${name}x $name; exit $?; b",
            "add|-h|/run/pulse|pulsex|pulse",
            "",
        ),
        ("a \\\n  b\nc 'd\ne' && \\\nf", "a|b c|d\ne f", ""),
        ("exec a\nb", "a", ""),
        ("a || exit 1\nno || exit 1\nb", "a no", ""),
        ("", "", ""),
    ] {
        let (found, missed) = read(script);
        assert_eq!((found.join(" ").as_str(), missed.join(";").as_str()), (ran, unclear), "{script}");
    }
}

#[test]
fn what_is_not_plain_is_told_and_passed_over() {
    for (script, ran, unclear) in [
        ("a\nif [ -e x ]; then\n  b\nfi\nc\n", "a c", "if [ -e x ]; then"),
        ("case \"$1\" in\n x) b;;\n *) if c; then d; fi;;\nesac || e\nf", "f", "case \"$1\" in"),
        ("for i in a b; do\nc $i\ndone > x; d\n", "d", "for i in a b; do"),
        ("f() {\n a\n { b; }\n}\nf2 () ( a )\ng", "g", "f() {;f2 () ( a )"),
        ("( a; b )\nc", "c", "( a; b )"),
        (
            "what x\na | b\nc > file\nd $(e) `f`\ng *\nh $1 $x\ni &\nj",
            "j",
            "what x;a | b;c > file;d $(e) `f`;g *;h $1 $x;i &",
        ),
        (
            "cat > x <<EOF\nadd a\nEOF\ncat <<-'E F' >/dev/null\nadd a\n\tE F\nb",
            "b",
            "cat > x <<EOF;cat <<-'E F' >/dev/null",
        ),
        ("[ -e a ] && b\nx=$(y)\na $x\nc=1 d", "[|-e|a|] b", "a $x;c=1 d"),
        ("#!/usr/bin/python3\nimport os\n", "", "#!/usr/bin/python3"),
        ("no && { a; b; }\nc && {\n d\n}\ne", "no c e", "c && {"),
        ("if a; then", "", "if a; then"),
    ] {
        let (found, missed) = read(script);
        assert_eq!((found.join(" ").as_str(), missed.join(";").as_str()), (ran, unclear), "{script}");
    }
}

proptest! {
    #[test]
    fn no_script_makes_it_panic(script in "([a-z ${}()'\"\\\\;&|<>\n=#`*]|if |fi\n|done|case|esac|<<E\n|é){0,80}") {
        read(&script);
    }
}
