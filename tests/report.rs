use std::path::PathBuf;
use std::time::Duration;

use crate::Figures;

/// Prints a line into the log of the test.
pub fn say(line: impl std::fmt::Display) {
    #[expect(clippy::print_stdout, reason = "tests tell what they measured on the standard output")]
    {
        println!("{line}");
    }
}

/// Prints what was measured, in the words of the people who read test logs.
pub fn report(
    title: &str,
    figures: &[Figures],
    join_times: &[Duration],
    cpu: Option<(Duration, Duration)>,
) {
    say(format!("--- {title}"));
    for page in figures {
        let transport = |figure| page.transport(figure);
        say(format!(
            "{}: DTLS {} ({}), SRTP {}, {} -> {}, sends {}x{} {} kbit/s, PLI received {}, NACK received {}",
            page.id(),
            transport("dtlsVersion"),
            transport("dtlsRole"),
            transport("srtpCipher"),
            transport("localAddress"),
            transport("remoteAddress"),
            page.own("width"),
            page.own("height"),
            (page.own("videoBitrate") / 1_000.0).round(),
            page.own("plisReceived"),
            page.own("nacksReceived"),
        ));
        for remote in page.people() {
            let figure = |figure| page.remote(&remote, figure);
            say(format!(
                "    <- {remote}: {} frames, {} key frames, {} lost of {}, {} freezes, PLI sent {}, audio energy {:.4}",
                figure("framesDecoded"),
                figure("keyFramesDecoded"),
                figure("packetsLost"),
                figure("videoPackets"),
                figure("freezes"),
                figure("plisSent"),
                figure("audioEnergy"),
            ));
        }
    }
    for time in join_times {
        say(format!("join to first picture: {} ms", time.as_millis()));
    }
    if let Some((spent, over)) = cpu {
        let share = 100.0 * spent.as_secs_f64() / over.as_secs_f64();
        say(format!("bridge CPU: {share:.2} % of one core ({spent:?} in {over:?})"));
    }
}

/// Where a test leaves a file for people to look at.
pub fn artifact(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    std::fs::create_dir_all(&directory).expect("the directory of the tests can be written");
    directory.join(name)
}
