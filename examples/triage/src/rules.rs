//! What the triage decides, as pure functions of the e-mail.

use jackfield_sdk::prelude::*;

/// Why an e-mail needs nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// A machine wrote it.
    Automatic,
    /// Its own mail server, or its subject, says so.
    Spam,
}

impl Dismissal {
    /// The reason of the stop request.
    pub fn reason(self) -> &'static str {
        match self {
            Dismissal::Automatic => "automatic mail",
            Dismissal::Spam => "spam",
        }
    }
}

/// What an e-mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Invoices, refunds, payments.
    Billing,
    /// Orders and where they are.
    Orders,
    /// Somebody is angry.
    Complaints,
}

impl Topic {
    /// Its name: also of its skill and of its agent group.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Billing => "Billing",
            Topic::Orders => "Orders",
            Topic::Complaints => "Complaints",
        }
    }

    /// Larger is served first.
    pub fn priority(self) -> i32 {
        match self {
            Topic::Complaints => 20,
            Topic::Billing => 10,
            Topic::Orders => 5,
        }
    }
}

/// The languages somebody here speaks, and the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Also when there is too little text to tell.
    English,
    /// Has a skill of its own.
    Spanish,
    /// Any other.
    Foreign,
}

/// Words of each topic, complaints first: an angry mail about an invoice is a complaint. They are
/// compared with the beginnings of words, without case.
const TOPICS: [(Topic, &[&str]); 3] = [
    (
        Topic::Complaints,
        &["complain", "unacceptable", "disappoint", "disgrace", "furious", "damaged", "broken", "queja", "reclamaci"],
    ),
    (
        Topic::Billing,
        &["invoice", "refund", "billing", "payment", "charged", "overcharg", "receipt", "vat", "factura", "reembolso"],
    ),
    (
        Topic::Orders,
        &["order", "deliver", "shipping", "shipment", "parcel", "tracking", "backorder", "pedido", "entrega"],
    ),
];

const SPAM: &[&str] = &["lottery", "jackpot", "viagra", "casino", "crypto giveaway", "million dollars", "you have won"];

/// The commonest words of some languages; none is a word of two of them.
const ENGLISH: &[&str] =
    &["the", "and", "you", "your", "is", "of", "my", "have", "this", "that", "for", "please", "it"];
const SPANISH: &[&str] =
    &["el", "los", "las", "por", "una", "gracias", "hola", "pedido", "mi", "está", "buenos", "y", "qué", "favor"];
const OTHERS: &[&str] = &[
    // German
    "der",
    "das",
    "und",
    "ich",
    "nicht",
    "ist",
    "bitte",
    "mit",
    "eine",
    "sehr",
    "für",
    "haben", // French
    "le",
    "les",
    "je",
    "vous",
    "est",
    "et",
    "pas",
    "bonjour",
    "votre",
    "pour",
    "nous",
    "dans", // Italian
    "il",
    "che",
    "sono",
    "grazie",
    "gli",
    "per",
    "buongiorno",
    "della", // Portuguese, Dutch, Polish
    "não",
    "obrigado",
    "meu",
    "het",
    "een",
    "niet",
    "jest",
    "się",
    "nie",
    "dziękuję",
    "proszę",
];

/// Letters of the body that are looked at: enough to tell a language.
const LANGUAGE_SAMPLE: usize = 2_000;

/// Whether nobody needs to see this e-mail.
pub fn dismissal(email: &Interaction) -> Option<Dismissal> {
    let flagged = email.header("X-Spam-Flag").is_some_and(|flag| flag.trim().eq_ignore_ascii_case("yes"));
    let subject = email.subject().to_lowercase();
    if flagged || SPAM.iter().any(|words| subject.contains(words)) {
        return Some(Dismissal::Spam);
    }
    email.is_automatic().then_some(Dismissal::Automatic)
}

/// What the subject says it is about.
pub fn topic(subject: &str) -> Option<Topic> {
    let words = words(subject);
    let named = |starts: &[&str]| words.iter().any(|word| starts.iter().any(|start| word.starts_with(start)));
    TOPICS.iter().find(|(_, starts)| named(starts)).map(|&(topic, _)| topic)
}

/// The language of a text, by its script and its commonest words.
pub fn language(text: &str) -> Language {
    let sample: String = text.chars().take(LANGUAGE_SAMPLE).collect();
    let letters = sample.chars().filter(|character| character.is_alphabetic()).count();
    // Latin letters end at U+024F.
    let other_script = sample.chars().filter(|&character| character.is_alphabetic() && character > '\u{24F}').count();
    if other_script * 2 > letters {
        return Language::Foreign;
    }
    let words = words(&sample);
    let count = |list: &[&str]| words.iter().filter(|word| list.contains(&word.as_str())).count();
    let (english, spanish, others) = (count(ENGLISH), count(SPANISH), count(OTHERS));
    if others > english && others > spanish {
        Language::Foreign
    } else if spanish > english {
        Language::Spanish
    } else {
        Language::English
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(|character: char| !character.is_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use jackfield_sdk::testing;

    use super::*;

    #[test]
    fn the_subject_names_the_topic_and_anger_comes_first() {
        for (subject, expected) in [
            ("Refund for invoice 1042", Some(Topic::Billing)),
            ("Re: where is my ORDER?", Some(Topic::Orders)),
            ("Complaint about my last invoice", Some(Topic::Complaints)),
            ("¿Dónde está mi pedido?", Some(Topic::Orders)),
            ("Private party", None),
            ("", None),
        ] {
            assert_eq!(topic(subject), expected, "{subject}");
        }
    }

    #[test]
    fn languages_are_told_by_script_and_common_words() {
        for (text, expected) in [
            ("Please send me the invoice that you have for this month", Language::English),
            ("Hola, no he recibido mi pedido y los plazos han pasado. Gracias por su ayuda", Language::Spanish),
            ("Guten Tag, ich habe das Paket nicht erhalten und bitte um eine Antwort", Language::Foreign),
            ("Bonjour, je vous écris pour la facture, elle n'est pas correcte", Language::Foreign),
            ("Здравствуйте, я не получил заказ", Language::Foreign),
            ("ご注文について", Language::Foreign),
            ("ok 12345", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
    }

    #[test]
    fn spam_and_machines_are_dismissed_and_people_are_not() {
        let with = |key: &str, value: &str| dismissal(&testing::email().with(key, value).build());
        assert_eq!(with("Subject", "You have WON the lottery"), Some(Dismissal::Spam));
        assert_eq!(with("Header_X-Spam-Flag", "YES"), Some(Dismissal::Spam));
        assert_eq!(with("Header_Auto-Submitted", "auto-replied"), Some(Dismissal::Automatic));
        assert_eq!(with("Subject", "I have won an argument"), None);
    }
}
