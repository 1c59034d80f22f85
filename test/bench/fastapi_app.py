"""Downloads as the requirements name them: FastAPI on uvicorn, a lookup in SQLite, the bytes streamed in 5 MB chunks.

Written to be as quick as that stack reasonably is: one open read-only connection, an indexed lookup, bytes read from
the right place on. The streaming is the generator of FastAPI's own documentation. BENCH_DATABASE names the database.
"""
import os
import re
import sqlite3

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

CHUNK = 5 * 1024 * 1024
RANGE = re.compile(r"bytes=(\d*)-(\d*)$")

app = FastAPI()
database = sqlite3.connect(
    f"file:{os.environ['BENCH_DATABASE']}?mode=ro", uri=True, check_same_thread=False
)


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a single satisfiable range; None for the whole file."""
    match = RANGE.match(header or "")
    if not match or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last or size - 1), size - 1)
    if start > end:
        raise HTTPException(416, headers={"Content-Range": f"bytes */{size}"})
    return start, end


def read(path: str, start: int, count: int):
    with open(path, "rb") as file:
        file.seek(start)
        while count > 0:
            chunk = file.read(min(CHUNK, count))
            if not chunk:
                return
            count -= len(chunk)
            yield chunk


@app.get("/download/{uuid}")
async def download(uuid: str, request: Request):
    row = database.execute("SELECT path, name, size FROM files WHERE uuid = ?", (uuid,)).fetchone()
    if row is None:
        raise HTTPException(404)
    path, name, size = row
    part = wanted(request.headers.get("range"), size)
    start, end = part or (0, size - 1)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - start + 1),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    if part:
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return StreamingResponse(
        read(path, start, end - start + 1),
        status_code=206 if part else 200,
        headers=headers,
        media_type="application/octet-stream",
    )
