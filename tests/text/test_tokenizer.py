"""Token ids: equal to transformers' tokenizers where those agree with the training, hand-worked where they do not."""

import gzip
import importlib.resources
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.errors import CheckpointError, InputError
from wordsight.spec import TokenizerSpec
from wordsight.text.tokenizer import Tokenizer, clean_text

BOS, EOS = 49406, 49407
CLIP = TokenizerSpec(
    kind="clip_bpe", context_length=77, vocab_size=49408, bos_id=BOS, eos_id=EOS, pad_id=0, clean="clip"
)
SIGLIP = TokenizerSpec(
    kind="sentencepiece", context_length=64, vocab_size=400, bos_id=None, eos_id=1, pad_id=1, clean="canonicalize"
)

HARD_TEXTS = [
    "",
    " ",
    "a",
    "a photo of a cat.",
    "A PHOTO of a Çedilla, naïve café, Ångström, ŁÓDŹ, Straße, İstanbul, ΟΔΥΣΣΕΥΣ",
    "cafe\u0301 versus café, a\u0308o\u0308u\u0308, n\u0303, \u1112\u1161\u11ab",
    "🙂 👩‍👩‍👧‍👦 🏳️‍🌈 🇨🇭 ☃️ 👍🏽 x🙂y 🙂🙂🙂",
    "一张猫的照片。日本語のテキスト、한국어 텍스트 ไทย العربية עברית हिन्दी",
    "don't won't they're we've I'm you'll he'd it's O'Neill 'quoted' ''double'' ’curly’ “quotes”",
    "1234567890 3.14 1,000,000 ½ ² Ⅷ ٣ 2024-05-17T10:00 £5 €7 50%",
    "tabs\tand\nnew lines\r\nand\u00a0no-break\u2003spaces \u200b zero\ufeffwidth",
    "control \x00 \x01 \x07 \x1b[31m \x7f",
    "snake_case camelCase kebab-case http://example.org/a?b=c#d user@example.org #tag",
    "!!!??? ... --- *** <> [] {} ~~ ``` \\ | § ¶ © ® ™ \u00ad",
    "supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "a cat " * 60,
    "🙂 " * 90,
    "one, two; three: four." * 20,
    "ligature ﬁ ﬂ and full width ＡＢＣ１２３",
]


@pytest.fixture(scope="module")
def theirs():
    """transformers' CLIPTokenizer over the bundled merges, with the vocabulary order that OpenAI published."""
    transformers = pytest.importorskip("transformers")
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    path = importlib.resources.files("wordsight") / "data" / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    merges = [tuple(line.split()) for line in lines]
    symbols = list(bytes_to_unicode().values())
    names = [*symbols, *[s + "</w>" for s in symbols], *["".join(pair) for pair in merges]]
    names += ["<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(vocab={name: i for i, name in enumerate(names)}, merges=merges)


def test_ids_that_openai_published():
    ids = Tokenizer(CLIP, {})(["hello world!", "a diagram", "a dog", "a cat"]).ids
    assert ids[0, :5].tolist() == [BOS, 3306, 1002, 256, EOS]
    assert ids[1, :4].tolist() == [BOS, 320, 22697, EOS]
    assert ids[2, :4].tolist() == [BOS, 320, 1929, EOS]
    assert ids[3, :4].tolist() == [BOS, 320, 2368, EOS]
    assert ids.dtype == np.int32
    assert ids.shape == (4, 77)
    assert (ids[0, 5:] == 0).all()


def test_clip_ids_equal_transformers_over_hard_texts(theirs):
    ours = Tokenizer(CLIP, {})(HARD_TEXTS)
    for text, row, truncated in zip(HARD_TEXTS, ours.ids, ours.truncated, strict=True):
        whole = theirs(text)["input_ids"]
        cut_down = theirs(text, truncation=True, max_length=77)["input_ids"]
        assert row[: len(cut_down)].tolist() == cut_down, text
        assert truncated == len(whole) - len(cut_down), text
        assert EOS in row


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="&"), max_size=60))
def test_clip_ids_equal_transformers_on_any_text(theirs, text):
    expected = theirs(text, truncation=True, max_length=77)["input_ids"]
    assert Tokenizer(CLIP, {})([text]).ids[0, : len(expected)].tolist() == expected


def test_html_entities_are_unescaped_twice_as_in_training(theirs):
    tokenizer = Tokenizer(CLIP, {})
    escaped = [
        "salt &amp; pepper",
        "salt &amp;amp; pepper",
        "&lt;b&gt;",
        "&#39;tis",
        "caf&eacute;",
        "5&nbsp;km",
        "AT&T",
    ]
    plain = ["salt & pepper", "salt & pepper", "<b>", "'tis", "café", "5 km", "AT&T"]
    assert (tokenizer(escaped).ids == tokenizer(plain).ids).all()
    # "&" is one token; transformers, which does not unescape, reads "&", "amp", ";" instead.
    assert len(theirs("salt &amp; pepper")["input_ids"]) == (tokenizer(["salt & pepper"]).ids != 0).sum() + 2


def test_the_end_of_text_token_survives_and_the_cut_is_counted():
    tokens = Tokenizer(CLIP, {})(["cat " * 75, "cat " * 76, "cat " * 100])
    assert tokens.truncated.tolist() == [0, 1, 25]
    assert tokens.ids[:, -1].tolist() == [EOS] * 3
    assert tokens.ids[:, 0].tolist() == [BOS] * 3


def test_lone_surrogates_and_no_texts_do_not_crash():
    tokenizer = Tokenizer(CLIP, {})
    assert (tokenizer(["\udcff cat"]).ids == tokenizer(["\ufffd cat"]).ids).all()
    assert tokenizer([]).ids.shape == (0, 77)
    assert tokenizer([]).truncated.shape == (0,)


def test_texts_must_be_a_list_of_str():
    tokenizer = Tokenizer(CLIP, {})
    with pytest.raises(InputError, match=r"single text 'a cat'.*Write \['a cat'\]"):
        tokenizer("a cat")
    with pytest.raises(InputError, match=r"Text 1 is 7 \(int\)"):
        tokenizer(["a cat", 7])


@pytest.mark.parametrize(
    ("how", "text", "expected"),
    [
        ("clip", "Salt &amp;amp; Pepper", "Salt & Pepper"),
        ("canonicalize", "  A Photo, of: a_CAT!\n(really)  ", "a photo of acat really"),
        ("lower", "  A\tPhoto,  of ", "a photo, of"),
        ("none", "  A\tPhoto &amp; ", "  A\tPhoto &amp; "),
    ],
)
def test_cleaning(how, text, expected):
    assert clean_text(text, how) == expected


SMALL_CORPUS = [
    "a photo of a cat sitting on a red sofa",
    "two dogs run along the beach in the evening sun",
    "the quick brown fox jumps over the lazy dog",
    "ein foto einer katze auf dem sofa",
    "naïve café 2024 with 15 people and 3 bicycles",
    "日本語 の テキスト",
] * 20


@pytest.fixture(scope="module")
def spiece():
    """A small SentencePiece model with SigLIP's special ids: pad 0, eos 1, unk 2, no bos."""
    sentencepiece = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SMALL_CORPUS),
        model_writer=model,
        vocab_size=200,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        user_defined_symbols=["sofa"],
        minloglevel=2,
    )
    return model.getvalue()


def test_sentencepiece_ids_equal_transformers_siglip(spiece, tmp_path):
    transformers = pytest.importorskip("transformers")
    (tmp_path / "spiece.model").write_bytes(spiece)
    theirs = transformers.SiglipTokenizer(str(tmp_path / "spiece.model"))
    ours = Tokenizer(SIGLIP, {"spiece.model": spiece})
    texts = [text for text in HARD_TEXTS if text.strip()] + SMALL_CORPUS[:6] + ["sofa", "A sofa, sofas", "unk ∀∃ ok"]
    for text in texts:
        expected = theirs(text, padding="max_length", truncation=True, max_length=64)["input_ids"]
        assert ours([text]).ids[0].tolist() == expected, text


def test_sentencepiece_control_symbols_never_match_text(spiece):
    import sentencepiece

    reference = sentencepiece.SentencePieceProcessor(model_proto=spiece)
    spec = TokenizerSpec(
        kind="sentencepiece", context_length=64, vocab_size=400, bos_id=None, eos_id=1, pad_id=1, clean="none"
    )
    for text in ["</s> cat", "<pad><unk>", "a  photo   of", "▁x▁", "cat</s>"]:
        expected = reference.encode(text)
        row = Tokenizer(spec, {"spiece.model": spiece})([text]).ids[0]
        assert row[: len(expected) + 1].tolist() == [*expected, 1], text


def test_sentencepiece_keeps_its_end_token(spiece):
    tokens = Tokenizer(SIGLIP, {"spiece.model": spiece})(["cat photo " * 80, "cat"])
    assert tokens.ids[0, -1] == 1
    assert tokens.truncated[0] > 0
    assert tokens.truncated[1] == 0
    assert (tokens.ids[1, -40:] == 1).all()


@pytest.mark.parametrize("damage", [b"", b"\x0a\xff\xff", b"not a protobuf at all", b"\x0b\x01"])
def test_a_damaged_sentencepiece_model_is_refused(damage):
    with pytest.raises(CheckpointError, match="sentencepiece model"):
        Tokenizer(SIGLIP, {"spiece.model": damage})


def test_a_truncated_sentencepiece_model_is_refused(spiece):
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        Tokenizer(SIGLIP, {"spiece.model": spiece[:501]})


def test_other_sentencepiece_types_are_refused():
    piece = b"\x0a\x05<unk>" + b"\x15" + struct.pack("<f", 0.0) + b"\x18\x02"
    model = b"\x0a" + bytes([len(piece)]) + piece + b"\x12\x02\x18\x02"
    with pytest.raises(CheckpointError, match=r"type 2, expected 1 \(unigram\)"):
        Tokenizer(SIGLIP, {"spiece.model": model})


def _gemma_like() -> tuple[str, object]:
    """A byte-fallback BPE as in SigLIP 2's tokenizer.json, and the transformers object that reads it."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    engine = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    engine.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "▁")])
    engine.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", *[f"<0x{n:02X}>" for n in range(256)]]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=specials, show_progress=False)
    engine.train_from_iterator(SMALL_CORPUS, trainer)
    engine.enable_truncation(5)  # files in the wild carry these; they must not apply
    engine.enable_padding(length=9)
    return engine.to_str(), engine


def test_tokenizer_json_ids_equal_transformers():
    transformers = pytest.importorskip("transformers")
    import tokenizers

    content, _ = _gemma_like()
    spec = TokenizerSpec(
        kind="tokenizer_json", context_length=64, vocab_size=420, bos_id=None, eos_id=1, pad_id=0, clean="lower"
    )
    theirs = transformers.TokenizersBackend(
        tokenizer_object=tokenizers.Tokenizer.from_str(content), pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    ours = Tokenizer(spec, {"tokenizer.json": content.encode()})
    for text in [*HARD_TEXTS[:9], *SMALL_CORPUS[:6]]:
        plain = " ".join(text.lower().split())
        body = theirs(plain, add_special_tokens=False, truncation=True, max_length=63)["input_ids"]
        expected = [*body, 1]
        assert ours([text]).ids[0].tolist() == expected + [0] * (64 - len(expected)), text


def test_tokenizer_files_that_are_absent_damaged_or_of_another_model():
    spec = TokenizerSpec(
        kind="tokenizer_json", context_length=16, vocab_size=300, bos_id=None, eos_id=1, pad_id=0, clean="none"
    )
    with pytest.raises(CheckpointError, match=r"needs tokenizer.json.*present: merges.txt"):
        Tokenizer(spec, {"merges.txt": b""})
    with pytest.raises(CheckpointError, match=r"tokenizer.json cannot be read"):
        Tokenizer(spec, {"tokenizer.json": b'{"version": "1.0"'})
    content, _ = _gemma_like()
    with pytest.raises(CheckpointError, match=r"gave id \d+, but the text tower's vocabulary has 300"):
        Tokenizer(spec, {"tokenizer.json": content.encode()})(["the quick brown fox along the beach"])
    small = TokenizerSpec(kind="clip_bpe", context_length=16, vocab_size=99, bos_id=0, eos_id=1, pad_id=0, clean="clip")
    with pytest.raises(CheckpointError, match=r"99 tokens, but CLIP's merges give 49408"):
        Tokenizer(small, {})
