//! Words that are nearly right: what was probably meant. Pure.

/// An edit inserts, deletes or replaces one character, or lets two neighbours change places.
const MOST_EDITS: usize = 2;
/// The first letters of a word count as the word from this many on.
const SHORTEST_PREFIX: usize = 3;

/// The word that was probably meant: the nearest one, if at most half of it differs, else one that
/// begins with what was typed.
pub(crate) fn meant<'w>(typed: &str, words: &[&'w str]) -> Option<&'w str> {
    let first = |word: &str| word.bytes().next();
    let near = |edits| {
        let is_near = |word: &&&str| 2 * edits <= word.len() && is_within(typed, word, edits);
        let mut near = words.iter().filter(is_near);
        // The first letter is seldom wrong.
        let alike = near.clone().find(|word| first(word) == first(typed));
        alike.or_else(|| near.next())
    };
    let begins = |word: &&&str| typed.len() >= SHORTEST_PREFIX && word.starts_with(typed);
    let nearest = (0..=MOST_EDITS).find_map(near);
    nearest.or_else(|| words.iter().find(begins)).copied()
}

/// Whether so many edits make one text of the other. Capital letters are no difference.
pub(crate) fn is_within(one: &str, other: &str, edits: usize) -> bool {
    within(one.as_bytes(), other.as_bytes(), edits)
}

fn within(one: &[u8], other: &[u8], edits: usize) -> bool {
    match (one, other) {
        ([], rest) | (rest, []) => rest.len() <= edits,
        ([a, after_a @ ..], [b, after_b @ ..]) if a.eq_ignore_ascii_case(b) => {
            within(after_a, after_b, edits)
        }
        _ if edits == 0 => false,
        ([a, after_a @ ..], [b, after_b @ ..]) => {
            let swapped = match (after_a, after_b) {
                ([c, rest_a @ ..], [d, rest_b @ ..]) if a == d && b == c => Some((rest_a, rest_b)),
                _ => None,
            };
            let next = [(after_a, after_b), (after_a, other), (one, after_b)];
            let mut next = next.into_iter().chain(swapped);
            next.any(|(one, other)| within(one, other, edits - 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_an_insertion_a_deletion_a_replacement_or_two_neighbours_that_change_places() {
        for (one, other, edits) in [
            ("deps", "deps", 0),
            ("deps", "DEPS", 0),
            ("deps", "dep", 1),
            ("deps", "eps", 1),
            ("deps", "deeps", 1),
            ("deps", "depss", 1),
            ("deps", "dept", 1),
            ("deps", "keps", 1),
            ("deps", "dpes", 1),
            ("deps", "desp", 1),
            ("a", "", 1),
            ("deps", "de", 2),
            ("deps", "edsp", 2),
            ("dead", "died", 2),
            ("deps", "tept", 2),
            ("", "", 0),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let found = (0..5).find(|edits| is_within(one, other, *edits));
                assert_eq!(found, Some(edits), "{one} {other}");
            }
        }
        for (one, other) in [("deps", "sped"), ("ab", "xyz"), ("", "abc")] {
            assert!(!is_within(one, other, 2), "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_word_is_meant_and_a_far_one_is_not() {
        let words = [
            "ok",
            "ready",
            "died",
            "waiting",
            "birth-deps",
            "birth-timeout",
            "born",
        ];
        for (typed, expected) in [
            ("OK", Some("ok")),
            ("kk", Some("ok")),
            ("dead", Some("died")),
            ("brn", Some("born")),
            ("bron", Some("born")),
            ("brith-dpes", Some("birth-deps")),
            ("wait", Some("waiting")),
            ("birth-t", Some("birth-timeout")),
            ("up", None),
            ("bi", None),
            ("", None),
            ("exited", None),
            ("birth-dependencies", None),
        ] {
            assert_eq!(meant(typed, &words), expected, "{typed}");
        }
    }

    #[test]
    fn a_long_text_costs_no_more_than_the_word_that_it_is_compared_with() {
        let long = "a".repeat(1 << 20);
        assert_eq!(meant(&long, &["aaaaaaaa"]), None);
        assert_eq!(meant("ba", &[&long]), None);
    }
}
