"""Jobs of a server, as its clients follow them; images and archives to send."""

import io
import time
import zipfile

from PIL import Image


def wait_for(client, job, seconds=60):
    """State of a job once it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = client.get(f"/v1/jobs/{job}").json()
        if state["state"] not in ("waiting", "running"):
            return state
        time.sleep(0.03)
    raise AssertionError(f"the job did not end: {state}")


def finish(client, answer, seconds=60):
    """State of the job that an answer names, once it has ended well."""
    assert answer.status_code == 202, answer.text
    state = wait_for(client, answer.json()["job"], seconds)
    assert state["state"] == "done", state
    return state


def image_bytes(number=0, side=48, kind="PNG"):
    """An image unlike those of other numbers."""
    file = io.BytesIO()
    colour = (number * 53 % 256, number * 97 % 256, number * 193 % 256)
    image = Image.new("RGB", (side, side), colour)
    image.putpixel((number % side, number // side % side), (255, 255, 255))
    image.save(file, kind)
    return file.getvalue()


def zip_bytes(members):
    """ZIP archive of name → content."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()
