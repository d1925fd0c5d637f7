"""Words of many scripts. They are not decoration: text that is carried over wrongly shows here first."""

from __future__ import annotations

from random import Random

FIRST_NAMES = (
    "Ada", "Ben", "Chloé", "Dörte", "Zoë", "Łukasz", "Şükrü", "İpek", "Ion", "Þóra", "Ørjan", "Jiří",
    "Елена", "Тарас", "Γιώργος", "Αθηνά", "דוד", "נועה", "محمد", "فاطمة", "अनिता", "रवि", "สมชาย", "ประภา",
    "李明", "美咲", "さくら", "タロウ", "지훈", "수아", "Nguyễn", "Thảo", "Ọlá", "Wanjikũ", "Ἀριστοτέλης", "𠮷田",
)  # fmt: skip
LAST_NAMES = (
    "O'Brien", "Smith", "Müller", "García-Márquez", "d’Arcy", "van der Berg", "Kowalska", "Yılmaz", "Nováková",
    "Иванова", "Шевченко", "Παπαδόπουλος", "כהן", "الأحمد", "शर्मा", "ใจดี", "王", "山田", "김", "Trần",
    "Ó Súilleabháin", "St. John-Smythe", "Lée", "Null", "Test; DROP TABLE--", "\"Quoted\"", "50% [off]_",
)  # fmt: skip
COUNTRIES = ("GB", "IE", "DE", "FR", "PL", "GR", "TR", "UA", "IL", "EG", "IN", "TH", "CN", "JP", "KR", "VN", "NG", "BR")
DOMAINS = (
    "example.com", "example.org", "mail.example.net", "post.example", "münchen.example", "почта.example",
    "例え.example", "very-long-domain-name-of-a-customer.example",
)  # fmt: skip
ODD_TEXTS = (
    "",
    " ",
    "trailing blanks   ",
    "  leading blanks",
    "tab\there, line\nbreak, carriage\r\nreturn",
    "it''s 'quoted' \"twice\"",
    "Cafe\u0301 and Café are not the same bytes",
    "Z\u0351\u036b\u0343a\u0325\u0348l\u0301\u030dg\u0307o\u0322",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇬🇧 1️⃣",
    "𝒜𝓃 𝔸𝕤𝕥𝕣𝕒𝕝 𐍈 𠜎𠜱",
    "\u200fשלום\u200e mixed مرحبا directions",
    "zero\u200bwidth\u200djoiner\ufeff",
    "한글 漢字 かな ไทย हिन्दी Ελληνικά Кириллица",
    "ı İ ß ẞ ﬁ Ǆ ǅ ﷺ",
    "NULL",
    "GO",
    "-- not a comment /* nor this */",
)
_SUBJECTS = (
    "Spring sale: {n}% off everything 🌷", "Your invoice is ready", "Nouveautés de la semaine n° {n}",
    "{n} Gründe, jetzt zu buchen", "Мы скучали: скидка {n}%", "新商品のご案内 {n}", "We've missed you, {{FirstName}}",
    "تخفيضات {n}٪ لفترة محدودة", "Εγγραφείτε σήμερα", "[Reminder] Survey closes in {n} hours", "Last chance!!! 🔥🔥",
)  # fmt: skip
_SENTENCES = (
    "We have put together what you asked for.", "Nur noch wenige Tage.", "Ça commence aujourd’hui.",
    "Дякуємо, що ви з нами.", "ご利用ありがとうございます。", "شكرا لكم على ثقتكم.",
    "Click below, or don't: we will not mind.",
    "Prices include VAT & delivery; terms apply <see below>.", "ขอบคุณค่ะ", "ευχαριστούμε πολύ",
)  # fmt: skip


def subject(rng: Random) -> str:
    """A subject line."""
    return rng.choice(_SUBJECTS).replace("{n}", str(rng.randint(2, 90)))


def paragraph(rng: Random, sentences: int) -> str:
    """Plain text of so many sentences."""
    return " ".join(rng.choice(_SENTENCES) for _ in range(sentences))


def markup(rng: Random, paragraphs: int) -> str:
    """The HTML of a mail."""
    body = "\n".join(
        f'  <p style="color:#{rng.randrange(1 << 24):06x}">{paragraph(rng, 3)}</p>' for _ in range(paragraphs)
    )
    return f"<html>\n<body>\n{body}\n  <a href='{{{{unsubscribe}}}}'>unsubscribe</a>\n</body>\n</html>"


def note(rng: Random) -> str:
    """What somebody typed; one in five is odd."""
    return rng.choice(ODD_TEXTS) if rng.random() < 0.2 else paragraph(rng, rng.randint(1, 4))
