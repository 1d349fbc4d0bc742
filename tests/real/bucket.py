"""Makes a bucket: bucket.py ENDPOINT KEY SECRET BUCKET"""

import sys

from pyarrow.fs import S3FileSystem

endpoint, key, secret, bucket = sys.argv[1:]
S3FileSystem(
    endpoint_override=endpoint,
    access_key=key,
    secret_key=secret,
    region="us-east-1",
    allow_bucket_creation=True,
).create_dir(bucket)
