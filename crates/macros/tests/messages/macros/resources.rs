use mcp_stateless::resources;

const URI: &str = "note://today";

struct Notes;

#[resources]
impl Notes {
    fn without_uri(&self) -> String {
        String::new()
    }

    #[resource(uri = URI)]
    fn constant(&self) -> String {
        String::new()
    }

    #[resource(uri = "note://{id}", size = 5)]
    fn mistaken(&self, number: u32) -> String {
        number.to_string()
    }

    #[resource(uri = "note://all", list = notes)]
    fn fixed(&self, number: u32) -> String {
        number.to_string()
    }
}

fn main() {}
