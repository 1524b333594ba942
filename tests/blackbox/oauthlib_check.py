"""Signs requests with requests-oauthlib, the library old clients use, and checks what the API answers.

Usage: oauthlib_check.py BASE CONSUMER_KEY CONSUMER_SECRET ACCESS_TOKEN ACCESS_TOKEN_SECRET
Exit status 0: all as expected; 77: the library is not installed; anything else: a difference.
"""

import sys

try:
    import requests
    from oauthlib import oauth1
    from requests_oauthlib import OAuth1
except ImportError:
    sys.exit(77)

requests.packages.urllib3.disable_warnings()
base, *keys = sys.argv[1:]


def call(method, path, expected=200, wrong=False, signature=oauth1.SIGNATURE_HMAC_SHA1, place="AUTH_HEADER", **arguments):
    secrets = keys[:3] + ["0" * 32] if wrong else keys
    auth = OAuth1(*secrets, signature_method=signature, signature_type=place)
    answer = requests.request(method, base + path, auth=auth, verify=False, timeout=30, **arguments)
    assert answer.status_code == expected, (method, path, place, signature, answer.status_code, answer.text)
    body = answer.json()
    assert body["code"] == expected, body
    return body


for signature in (oauth1.SIGNATURE_HMAC_SHA1, oauth1.SIGNATURE_HMAC_SHA256):
    call("GET", "/users", signature=signature)
    call("GET", "/users", signature=signature, params={"limit": "5", "odd": "a b+c&d=é~", "empty": ""})
    call("GET", "/users?offset=0&offset_x=%20%2B", signature=signature, place="QUERY")
    call("POST", "/users/1", signature=signature, data={"description": "café & co = 100% +x"})
    assert call("GET", "/users/1")["description"] == "café & co = 100% +x"
    call("POST", "/users/1", signature=signature, place="BODY", data={"description": "in the body"})
    assert call("GET", "/users/1")["description"] == "in the body"
    call("PUT", "/users/1", signature=signature, json={"description": "as JSON"})
    assert call("GET", "/users/1")["description"] == "as JSON"
    call("POST", "/users/1/policies/default/domains/block/import", signature=signature,
         params={"overwrite": "true"}, files={"csv": ("list.csv", b"a.example\nb.example\n", "text/csv")})
    call("GET", "/users", expected=401, wrong=True, signature=signature)
call("GET", "/users", expected=401, signature=oauth1.SIGNATURE_PLAINTEXT)
