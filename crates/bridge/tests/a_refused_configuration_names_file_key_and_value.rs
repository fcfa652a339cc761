//! A configuration that makes no sense ends the program with 78 and one line, before a port is bound.

mod common;

use common::{config_file, program, run};

#[test]
fn each_complaint_is_one_line_with_file_key_and_value() {
    for (text, expected) in [
        ("videobridge.ice.udp.port = x", vec!["videobridge.ice.udp.port", "x"]),
        ("videobridge.ice.nomination-strategy = Fastest", vec!["nomination-strategy", "Fastest"]),
        (
            "videobridge.apis.xmpp-client.configs.a { hostname = h, username = u }",
            vec!["videobridge.apis.xmpp-client.configs.a", "password"],
        ),
        ("jmt.dtls.cipher-suites = [NONSENSE]", vec!["jmt.dtls.cipher-suites", "NONSENSE"]),
        (
            "ice4j.harvest.mapping.static-mappings = [\
             { local-address = 10.0.0.1, public-address = 1.2.3.4, local-port = 5 }]",
            vec!["static-mappings", "public-port"],
        ),
        ("videobridge {", vec![":1:"]),
    ] {
        let file = config_file(text);
        let path = file.path().to_str().expect("a plain name");
        for check in [&["--config", path, "--check-config"][..], &["--config", path][..]] {
            let (code, message) = run(check);
            assert_eq!(code, 78, "{text}: {message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            assert!(message.contains(path), "{message}");
            for part in &expected {
                assert!(message.contains(part), "{message} has no {part}");
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let (code, message) = run(&["--config", "/nonexistent/jvb.conf"]);
    assert_eq!(code, 78);
    assert!(message.contains("/nonexistent/jvb.conf"), "{message}");
}

#[test]
fn a_wrong_command_line_ends_with_64_and_names_the_option() {
    let (code, message) = run(&["--confg", "x"]);
    assert_eq!(code, 64);
    assert!(message.contains("--confg"), "{message}");
}

#[test]
fn help_and_version_are_printed() {
    for (option, expected) in [("--help", "--check-config"), ("--version", "videobridge 2.")] {
        let output = program().arg(option).output().expect("the binary was built");
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains(expected));
    }
}

#[test]
fn a_valid_configuration_is_told_so() {
    let file = config_file("videobridge.ice.udp.port = 12345");
    let (code, message) = run(&["--check-config", "--config", &file.path().to_string_lossy()]);
    assert_eq!((code, message.as_str()), (0, ""));
}
