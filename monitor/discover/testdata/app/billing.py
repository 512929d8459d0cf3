"""Sends invoices to the partner. See https://docs.partner.example/invoices for more."""
import os
import ssl

import requests

BASE = "https://api.partner.example/v2"
TOKEN = "pl4nted-constant-0001"  # https://never.example/in-a-comment


def send(invoice):
    key = os.environ["PARTNER_API_KEY"]
    return requests.post(f"{BASE}/invoices", json=invoice, headers={"Authorization": f"Bearer {key}"}, timeout=10)


def rates():
    return requests.get("http://rates.partner.test/latest?api_key=pl4nted-query-0002", verify=False)


def mail():
    import smtplib

    with smtplib.SMTP("smtp.mailer.test", 587) as s:
        s.login("billing", os.getenv("SMTP_PASSWORD", "pl4nted-default-0003"))


def context():
    print("see https://status.partner.example for outages")
    return ssl._create_unverified_context()
