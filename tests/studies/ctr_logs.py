"""Small logs with Avazu's columns, for tests."""

HEADER = (
    "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,device_ip,"
    "device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21"
)
"""The first line of Avazu's train.csv."""

ROW = {
    "id": "10015140740686523448",
    "click": "0",
    "hour": "14102100",
    "C1": "1005",
    "banner_pos": "0",
    "site_id": "00000919",
    "site_domain": "f3845767",
    "site_category": "28905ebd",
    "app_id": "ecad2386",
    "app_domain": "7801e8d9",
    "app_category": "07d7df22",
    "device_id": "a99f214a",
    "device_ip": "12345678",
    "device_model": "44956a24",
    "device_type": "1",
    "device_conn_type": "2",
    "C14": "15706",
    "C15": "320",
    "C16": "50",
    "C17": "1722",
    "C18": "0",
    "C19": "35",
    "C20": "-1",
    "C21": "79",
}


def line(**changed: str) -> str:
    """A row of a log, some of its fields changed."""
    return ",".join({**ROW, **changed}.values())


def write_log(path, lines, header=HEADER, end="\n"):
    """Write a log of these rows to ``path``."""
    path.write_text(end.join([header, *lines]) + end, encoding="utf-8")
    return path
