"""A server that speaks S3 and checks signatures, policies and session tokens: moto, filled by boto3.

Prints one line of JSON with its port and its keys, then serves until standard input ends."""

import json
import logging
import os
import sys

os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="us-east-1")

import boto3
from flask import request
from moto import settings
from moto.iam.access_control import S3IAMRequest
from moto.server import ThreadedMotoServer

BUCKET = "node-configs"

unescaped = S3IAMRequest._create_aws_request


def as_it_came(self):
    """What is checked; moto takes the escapes out of the path, which S3 does not."""
    asked = unescaped(self)
    asked.url = request.environ["RAW_URI"]
    return asked


S3IAMRequest._create_aws_request = as_it_came


def keys_of(iam, sts, name, statement):
    """Keys of a user with a policy, and those of a role with the same one."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    user = iam.create_access_key(UserName=name)["AccessKey"]
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    role = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="node")["Credentials"]
    pick = lambda keys: [keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("SessionToken", "")]
    return {"user": pick(user), "role": pick(role)}


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    client = lambda name: boto3.client(name, endpoint_url=f"http://127.0.0.1:{port}")
    s3, iam, sts = client("s3"), client("iam"), client("sts")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=BUCKET, Key="motd", Body=b"first\n")["VersionId"]
    s3.put_object(Bucket=BUCKET, Key="motd", Body=b"second\n")
    for key in sys.argv[1:]:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    told = {"port": port, "version": first}
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    told["reader"] = keys_of(iam, sts, "reader", everything)
    told["nobody"] = keys_of(iam, sts, "nobody", {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"})
    # From here on, every request is checked.
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    print(json.dumps(told), flush=True)
    sys.stdin.read()
    server.stop()


main()
