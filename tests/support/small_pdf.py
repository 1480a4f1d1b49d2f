"""PDF files written by hand: pages of a given size with a line of text and a filled square, for tests."""

from collections.abc import Sequence


def page(text: str = "", width: float = 200, height: float = 100, *, extra: str = "", box: str | None = None) -> dict:
    """One page: its text at the lower left, drawing operators in `extra`."""
    return {
        "box": box or f"[0 0 {width} {height}]",
        "draw": f"{extra}\nBT /F1 12 Tf 10 20 Td ({text}) Tj ET",
    }


def square(colour: str, x: float = 0, y: float = 0, side: float = 50) -> str:
    """Operators that fill a square; colour "1 0 0" is red."""
    return f"{colour} rg {x} {y} {side} {side} re f 0 0 0 rg"


def small_pdf(pages: Sequence[dict], *, rotate: int = 0, encrypted: bool = False) -> bytes:
    """The bytes of a PDF 1.4. encrypted: with keys that fit no password."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, one in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox {one['box']} /Rotate {rotate} "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(one['draw'])} >>\nstream\n{one['draw']}\nendstream")
    trailer = "/Root 1 0 R"
    if encrypted:
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /O <{'11' * 32}> /U <{'22' * 32}> /P -4 >>")
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<{'33' * 16}> <{'33' * 16}>]"
    content = b"%PDF-1.4\n"
    starts = []
    for number, body in enumerate(objects, 1):
        starts.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = len(content)
    content += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    content += b"".join(f"{start:010} 00000 n \n".encode() for start in starts)
    return content + f"trailer\n<< /Size {len(objects) + 1} {trailer} >>\nstartxref\n{table}\n%%EOF\n".encode()
