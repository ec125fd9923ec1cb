"""What a person should know about: checks, deadlines, and the messages that go out."""
