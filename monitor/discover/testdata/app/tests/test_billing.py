URL = "https://never.test/tested"
